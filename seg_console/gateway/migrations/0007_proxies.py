from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0006_address_parsing"),
    ]

    operations = [
        migrations.AddField(
            model_name="listenersettings",
            name="proxies",
            field=models.JSONField(blank=True, default=list, verbose_name="Proxies"),
        ),
        migrations.AddField(
            model_name="listenersettings",
            name="proxy_protocol",
            field=models.BooleanField(default=False, verbose_name="PROXY protocol"),
        ),
    ]
