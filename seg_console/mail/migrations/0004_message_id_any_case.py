import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0003_sender_as_given"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="message",
            name="message_by_header",
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(django.db.models.functions.text.Lower("message_id_header"), name="message_by_id"),
        ),
    ]
