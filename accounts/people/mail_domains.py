"""What is known of the hosts of mail addresses, for who gets the sign-up grant.

It decides about free credits alone: who somebody is, and where their mail goes, is always
the address as they wrote it. Operators' own word about a host wins over the lists here.
"""

from functools import cache

from disposable_email_domains import blocklist
from publicsuffixlist import PublicSuffixList

from accounts.models import MailDomain

Kind = MailDomain.Kind

# Hosts at which the public opens mailboxes: their addresses are strangers to each other,
# so no daily cap counts them together. The second name is the one under which the same
# mailbox is known.
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
"""Hosts to which `j.doe` and `jdoe` are one mailbox; Proton passes over `-` and `_` too."""


def person_of(email: str) -> str:
    """Return one name for all the spellings of an address that lead to the same mailbox.

    `email` is normal, as `signup.normalize_email` makes it. What follows a `+` is a tag at
    about every host that knows tags.
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
    """Return the part of a domain that somebody has registered: `a.b.co.uk` is `b.co.uk`.

    By the Public Suffix List, its private part too, where anybody may get a name.
    """
    return _suffixes().privatesuffix(domain) or domain


def kind_of(domain: str) -> MailDomain.Kind:
    """Return what kind of host gets the mail of `domain`."""
    names = _with_those_above(domain)
    said = dict(
        MailDomain.objects.filter(domain__in=names).values_list("domain", "kind")
    )
    for name in names:  # the closest word counts
        if name in said:
            return Kind(said[name])
    if domain in _SHARED:
        return Kind.SHARED
    if not blocklist.isdisjoint(names):
        return Kind.DISPOSABLE
    return Kind.ORDINARY


def _with_those_above(domain: str) -> list[str]:
    """Return `domain` and those that it lies in, up to the one that is registered."""
    owner = registrable(domain)
    names = [domain]
    while names[-1] != owner and "." in names[-1]:
        names.append(names[-1].partition(".")[2])
    return names


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # from the file that comes with the package
