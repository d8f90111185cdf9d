# Adds how forgiving the listener reads addresses.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("config", "0003_loaded_file"),
        ("gateway", "0005_certificates_moved"),
    ]

    operations = [
        migrations.AddField(
            model_name="listenersettings",
            name="address_parsing",
            field=models.CharField(
                choices=[("loose", "Loose"), ("strict", "Strict")],
                default="loose",
                max_length=10,
                verbose_name="SMTP Address Parsing",
            ),
        ),
        migrations.AddField(
            model_name="listenersettings",
            name="default_domain",
            field=models.CharField(blank=True, max_length=253, verbose_name="Add Default Domain"),
        ),
        migrations.AddField(
            model_name="listenersettings",
            name="reject_characters",
            field=models.CharField(
                blank=True, default="%!@", max_length=32, verbose_name="Reject These Characters in User Names"
            ),
        ),
        migrations.AddConstraint(
            model_name="listenersettings",
            constraint=models.CheckConstraint(
                condition=models.Q(("address_parsing__in", ["loose", "strict"])),
                name="gateway_listenersettings_address_parsing",
            ),
        ),
    ]
