"""Storage of static files with hashes of their content in their names."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hash the names of all static files, including modules that JS modules import.

    Otherwise a browser could run a new module with an old version of an imported one.
    """

    support_js_module_import_aggregation = True
