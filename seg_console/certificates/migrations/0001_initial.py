"""The model was the way in's (gateway 0003), and its table stays as it is: only Django learns whose it is."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("config", "0003_loaded_file"),
        ("gateway", "0004_listener_address"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Certificate",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                        (
                            "name",
                            models.CharField(
                                max_length=64,
                                validators=[
                                    django.core.validators.RegexValidator(
                                        "\\A[\\w.-]+(?: [\\w.-]+)*\\Z",
                                        "Use letters, digits, dots, hyphens, underscores and single spaces.",
                                    )
                                ],
                                verbose_name="Certificate",
                            ),
                        ),
                        ("certificate", models.TextField(verbose_name="Certificate chain")),
                        ("private_key", models.TextField(verbose_name="Private key")),
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
                        "verbose_name": "Certificate",
                        "verbose_name_plural": "Certificates",
                        "db_table": "gateway_certificate",
                        "constraints": [
                            models.UniqueConstraint(fields=("configuration", "uid"), name="gateway_certificate_uid"),
                            models.UniqueConstraint(
                                models.F("configuration"),
                                django.db.models.functions.text.Lower("name"),
                                name="gateway_certificate_name",
                                violation_error_message="A certificate of that name exists already.",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
