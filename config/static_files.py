"""How a deployment serves the files of pages: under names that follow their content."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names for everything, the modules that a module imports included.

    Without the latter a browser could run a new module with an old one that it imports.
    """

    support_js_module_import_aggregation = True
