from django.db import migrations

# What each of these vendors lets one account do at once, as rows began with it.
_OF_AN_ACCOUNT = {
    "azure": 50,
    "cartesia": 3,
    "deepgram": 15,
    "elevenlabs": 5,
    "google": 50,
    "polly": 8,
}


def move_to_keys(apps, schema_editor):
    """Let an account's limit hold for each key; what operators entered stays."""
    providers = apps.get_model("providers", "Provider").objects
    for slug, limit in _OF_AN_ACCOUNT.items():
        providers.filter(
            slug=slug, max_concurrent=limit, max_concurrent_per_key=None
        ).update(max_concurrent=None, max_concurrent_per_key=limit)


def move_back(apps, schema_editor):
    """Let it hold for all keys together, as before."""
    providers = apps.get_model("providers", "Provider").objects
    for slug, limit in _OF_AN_ACCOUNT.items():
        providers.filter(
            slug=slug, max_concurrent=None, max_concurrent_per_key=limit
        ).update(max_concurrent=limit, max_concurrent_per_key=None)


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0008_keys_wait_their_turn"),
    ]

    operations = [migrations.RunPython(move_to_keys, move_back)]
