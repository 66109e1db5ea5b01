"""The operators' site."""

from unfold.sites import UnfoldAdminSite


class OperatorSite(UnfoldAdminSite):
    """Django's admin as Ozvena's back office."""

    site_header = site_title = "Ozvena"
    index_title = "Back office"
