import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("config", "0003_loaded_file"),
        ("gateway", "0009_health_checks"),
    ]

    operations = [
        migrations.CreateModel(
            name="IncomingRelay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "name",
                    models.CharField(
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Za-z0-9_-]+\\Z", "Use the letters A to Z, digits, hyphens and underscores."
                            )
                        ],
                        verbose_name="Relay Name",
                    ),
                ),
                ("address", models.CharField(max_length=255, verbose_name="IP Address")),
                (
                    "client_in",
                    models.CharField(
                        choices=[("received", "Received Header"), ("header", "Custom Header")],
                        default="received",
                        max_length=10,
                        verbose_name="Sender's IP Address In",
                    ),
                ),
                ("header", models.CharField(blank=True, max_length=64, verbose_name="Custom Header")),
                (
                    "hop",
                    models.PositiveIntegerField(
                        default=1,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(50),
                        ],
                        verbose_name="Hop",
                    ),
                ),
                (
                    "configuration",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="config.configuration",
                    ),
                ),
            ],
            options={
                "verbose_name": "Incoming Relay",
                "verbose_name_plural": "Incoming Relays",
                "constraints": [
                    models.UniqueConstraint(fields=("configuration", "uid"), name="gateway_incomingrelay_uid"),
                    models.UniqueConstraint(
                        models.F("configuration"),
                        django.db.models.functions.text.Lower("name"),
                        name="gateway_incomingrelay_name",
                        violation_error_message="An incoming relay of that name exists already.",
                    ),
                    models.UniqueConstraint(
                        fields=("configuration", "address"),
                        name="gateway_incomingrelay_address",
                        violation_error_message="An incoming relay of that IP address exists already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("client_in", "received"), ("header", "")),
                            models.Q(("client_in", "header"), models.Q(("header", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="gateway_incomingrelay_header",
                    ),
                    models.CheckConstraint(condition=models.Q(("hop__gte", 1)), name="gateway_incomingrelay_hop"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IncomingRelaySettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("enabled", models.BooleanField(default=False, verbose_name="Enable Incoming Relays")),
                (
                    "configuration",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="config.configuration",
                    ),
                ),
            ],
            options={
                "verbose_name": "Incoming Relays Global Settings",
                "constraints": [
                    models.UniqueConstraint(fields=("configuration", "uid"), name="gateway_incomingrelaysettings_uid"),
                    models.UniqueConstraint(fields=("configuration",), name="gateway_incomingrelaysettings_one"),
                ],
            },
        ),
    ]
