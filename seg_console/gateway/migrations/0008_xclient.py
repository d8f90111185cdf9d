from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0007_proxies"),
    ]

    operations = [
        migrations.AddField(
            model_name="listenersettings",
            name="xclient",
            field=models.BooleanField(default=False, verbose_name="XCLIENT"),
        ),
    ]
