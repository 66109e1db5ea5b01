"""Where sentences end, in a dozen languages."""

import regex

from providers.contract.sentences import CLOSERS, ends_sentence
from tests.cases import cases

_STOPS = regex.compile(rf"[.!?…؟।。！？]+{CLOSERS}*+(?: »(?=\s|$))?+")

# Language and text: its only sentence ends with the text.
ONE_SENTENCE = [
    ("en", "We met Mr. Smith there."),
    ("en", "a Gen. Smith a."),
    ("en", "a Aug. 7 a."),
    ("en", "Ms. Smith is here."),
    ("en", "See Fig. 7 here."),
    ("en", "On Jan. 7 it rained."),
    ("de", "Wir trafen Dr. Müller dort."),
    ("de", "a Nr. 7 a."),
    ("fr", "a Mme. Dupont a."),
    ("fr", "a M. Dupont a."),
    ("ru", "a ул. Иванов a."),
    ("ru", "Живёт на ул. Ленина теперь."),
    ("es", "a Sra. Lara a."),
    ("en", "So Dr. House was right."),
    ("en", "It costs 3.14 crowns now."),
    ("en", "Go to No. 5 on the left."),
    ("en", "See fig. 12 on that page."),
    ("en", "He is J. R. R. Tolkien."),
    ("en", "In the U.S. Army he rose."),
    ("en", "Fruit, e.g. Apples, sells."),
    ("en", "Wait... what is it now?"),
    ("en", "Wait… what is it now?"),
    ("en", "“Why now?” she asked him."),
    ("en", '"Why not!" he answered.'),
    ("de", "Am 5. Mai war er schon da."),
    ("en", "On Jan. 25 it was snowing."),
    ("sk", "Podľa č. 7 a podľa iných."),
    (
        "en",
        "met young Dr. Smith and his friend Mr. Tolkien at the station of St. Louis.",
    ),
    ("en", "The Rev. Green and Prof. Plum met Capt. Blue."),
    ("en", "Sgt. Pepper vs. Lt. Dan."),
    ("de", "Die Firma Müller u. Söhne bzw. Meier."),
    ("de", "Das ist z. B. Wasser."),
    ("es", "El Sr. López y la Dra. Ruiz."),
    ("it", "Il sig. Rossi e il dott. Bianchi."),
    ("pt", "O Sr. Silva e a Sra. Costa."),
    ("ru", "В 1999 г. Иван уехал."),
    ("ru", "Это проф. Петров и др. Иванов."),
    ("en", "The company, Smith Corp. Ltd. of London."),
    ("en", "At 5 p.m. Eastern he left."),
    ("en", "approx. 50 people, Vol. 3, pp. 5 ff. here"),
    ("en", "Mt. Everest, Ft. Worth and St. Paul."),
    ("en", "Lincoln Ave. 5 and Elm St. 7"),
    ("nl", "De heer dhr. Jansen en mevr. De Vries."),
    ("pl", "Pan dr. Kowalski i prof. Nowak, ul. Długa."),
    ("cs", "Pan Ing. Novák, MUDr. Malá a např. Brno."),
    ("de", "Das ist J. S. Bach und E. T. A. Hoffmann."),
    ("fr", "Voici J. J. Rousseau et A. Dumas."),
    ("es", "Es J. L. Borges y F. García."),
    ("it", "È G. Verdi e A. Manzoni."),
    ("pl", "To A. Mickiewicz i J. Tuwim."),
    ("pt", "É J. Amado e C. Lispector."),
    ("", "We met Mr. Smith and Mme. Dupont there."),
    ("", "Am 5. Mai war er schon da."),
]

# Language, and two sentences.
TWO_SENTENCES = [
    ("en", "I was there.", " He was not."),
    ("en", "Was I there?", " He was not."),
    ("en", "It was so...", " He was not."),
    ("en", "“I was there.”", " He was not."),
    ("de", "„Ich war da.“", " Er war nicht da."),
    ("de", "»Ich war da.«", " Er war nicht da."),
    ("fr", "« J’étais là. »", " Il était parti."),
    ("en", "(I was there.)", " He was not."),
    ("en", "It was 1999.", " He was not."),
    ("en", "No.", " I was not there then."),
    ("hi", "क्या वह था।", " वह नहीं था वहाँ।"),
    ("ar", "هل كان هنا؟", " لم يكن هنا هو."),
    ("zh", "他在那里。", "他不在那里了。"),
    ("zh", "「你去吗？」", "他没有回答我。"),
    ("ja", "行きます。", "来ます。"),
    ("en", "He works at Acme Inc.", " She does not."),
    ("en", "It ended at 5 p.m.", " We left."),
    ("en", "Plan B.", " It is fine."),
    ("en", "So did I.", " He was not."),
    ("fr", "Il prend de la vitamine C.", " Il va mieux."),
    ("it", "Questo è il piano B.", " Andiamo."),
    ("en", "apples, pears etc.", " Then we ate."),
    ("de", "Er ist da.", " Ich nicht."),
    ("ru", "Он был там.", " Его нет."),
    ("en", "He came from the U.S.", " She did not."),
    ("en", "Who is it?", " It's me! No."),
]


def ends(text: str, language: str) -> list[int]:
    """Return the offset after each sentence of `text`."""
    found = (match.span() for match in _STOPS.finditer(text))
    return [
        end
        for start, end in found
        if (text[start] in "。！？" or text[end : end + 1].strip() == "")
        and ends_sentence(text, start, end, language)
    ]


def test_an_abbreviation_ends_no_sentence():
    for (language, text), case in cases(ONE_SENTENCE):
        with case:
            assert [end for end in ends(text, language) if end < len(text)] == []


def test_a_sentence_ends_at_its_stop():
    for (language, first, second), case in cases(TWO_SENTENCES):
        with case:
            assert ends(first + second, language)[0] == len(first)


def test_a_long_paragraph_takes_no_longer_for_each_stop():
    """The library alone needs minutes for such a paragraph."""
    text = "这是一个句子. " * 20_000
    assert len(ends(text, "zh")) == 20_000
