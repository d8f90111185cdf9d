"""The model is another app's now (certificates 0001), which keeps the table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0001_initial"),
        ("gateway", "0004_listener_address"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Certificate")]),
    ]
