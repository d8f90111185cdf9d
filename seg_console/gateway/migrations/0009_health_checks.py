from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0008_xclient"),
    ]

    operations = [
        migrations.AddField(
            model_name="listenersettings",
            name="health_checks",
            field=models.JSONField(blank=True, default=list, verbose_name="Health checks"),
        ),
    ]
