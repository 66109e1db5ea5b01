"""Classify mail domains and normalize mailboxes, to limit sign-up grants per person.

This decides only about free credits. A user is always identified by the email address as
typed, and mail goes there. Operators' settings of a domain override the lists here.
"""

from functools import cache

from disposable_email_domains import blocklist
from publicsuffixlist import PublicSuffixList

from accounts.models import MailDomain

Kind = MailDomain.Kind

# Public mail hosts, whose users are unrelated, so the daily limit per domain does not hold
# for them. The value is the canonical domain of the same mailbox.
_SHARED = {
    **dict.fromkeys(["gmail.com", "googlemail.com"], "gmail.com"),
    **dict.fromkeys(["icloud.com", "me.com", "mac.com"], "icloud.com"),
    **dict.fromkeys(["proton.me", "protonmail.com", "pm.me"], "proton.me"),
    **dict.fromkeys(
        ["yandex.com", "yandex.ru", "ya.ru", "yandex.by", "yandex.kz"], "yandex.com"
    ),
    **{
        name: name
        for name in (
            *("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk"),
            *("hotmail.fr", "live.fr", "outlook.fr", "outlook.de", "hotmail.de"),
            *("yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.co.jp"),
            *("yahoo.co.in", "yahoo.com.br", "ymail.com", "rocketmail.com", "aol.com"),
            *("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de"),
            *("t-online.de", "freenet.de", "mail.com", "zoho.com", "fastmail.com"),
            *("hey.com", "tuta.com", "tutanota.com", "posteo.de", "mailbox.org"),
            *("orange.fr", "free.fr", "laposte.net", "wanadoo.fr", "sfr.fr"),
            *("libero.it", "virgilio.it", "tiscali.it", "alice.it", "terra.com.br"),
            *("uol.com.br", "bol.com.br", "mail.ru", "bk.ru", "inbox.ru", "list.ru"),
            *("rambler.ru", "ukr.net", "seznam.cz", "centrum.cz", "email.cz"),
            *("azet.sk", "zoznam.sk", "centrum.sk", "post.sk", "wp.pl", "o2.pl"),
            *("onet.pl", "interia.pl", "abv.bg", "freemail.hu", "citromail.hu"),
            *("qq.com", "163.com", "126.com", "sina.com", "naver.com", "daum.net"),
            *("hanmail.net", "docomo.ne.jp", "ezweb.ne.jp", "i.softbank.jp"),
            *("rediffmail.com", "btinternet.com", "sky.com", "virginmedia.com"),
            *("comcast.net", "verizon.net", "att.net", "sbcglobal.net", "cox.net"),
            *("bigpond.com", "telenet.be", "skynet.be", "ziggo.nl", "kpnmail.nl"),
        )
    },
}
_WITHOUT_DOTS = {"gmail.com", "proton.me"}
"""Hosts where `j.doe` and `jdoe` are one mailbox; Proton ignores `-` and `_` too."""


def canonical_mailbox(email: str) -> str:
    """Return the canonical spelling of an address, the same for all of one mailbox.

    `email` is normalized by `signup.normalize_email`. The part after a `+` is a tag at
    nearly every host that supports tags.
    """
    local, _, domain = email.rpartition("@")
    domain = _SHARED.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in _WITHOUT_DOTS:
        local = local.replace(".", "")
    if domain == "proton.me":
        local = local.replace("-", "").replace("_", "")
    if domain == "yandex.com":
        local = local.replace(".", "-")
    return f"{local}@{domain}"


def registrable(domain: str) -> str:
    """Return the registrable part of a domain: `b.co.uk` for `a.b.co.uk`.

    By the Public Suffix List, including private suffixes, below which anyone gets a name.
    """
    return _suffixes().privatesuffix(domain) or domain


def kind_of(domain: str) -> MailDomain.Kind:
    """Return the kind of a mail domain: by operators' settings, or else by the lists."""
    names = _with_parents(domain)
    settings = dict(
        MailDomain.objects.filter(domain__in=names).values_list("domain", "kind")
    )
    for name in names:  # the closest parent domain wins
        if name in settings:
            return Kind(settings[name])
    if domain in _SHARED:
        return Kind.SHARED
    if not blocklist.isdisjoint(names):
        return Kind.DISPOSABLE
    return Kind.ORDINARY


def _with_parents(domain: str) -> list[str]:
    """Return `domain` and its parent domains, up to the registrable one."""
    owner = registrable(domain)
    names = [domain]
    while names[-1] != owner and "." in names[-1]:
        names.append(names[-1].partition(".")[2])
    return names


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # from the file that comes with the package
