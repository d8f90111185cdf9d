from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0002_unconfirmed"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="sender_as_given",
            field=models.CharField(default="", max_length=320),
        ),
    ]
