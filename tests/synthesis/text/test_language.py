"""Language detection of sentences and of a few words."""

from collections import Counter

import pytest

from synthesis.text.language import detection
from synthesis.text.language.detection import languages_of

SENTENCES = """
af|Die see is vanoggend kalm en die son skyn helder oor die berge.
am|ዛሬ የአየር ሁኔታው በጣም ጥሩ ነው።
ar|الطقس جميل جدا اليوم، وسنذهب إلى البحر.
az|Bu gün hava çox gözəldir və biz dənizə gedirik.
be|Сёння вельмі добрае надвор'е, і мы ідзём да мора.
bg|Днес времето е много хубаво и ние отиваме на море.
bn|আজ আবহাওয়া খুব ভালো, আমরা সমুদ্রে যাচ্ছি।
ca|Avui fa molt bon temps i anirem a la platja amb els nens.
cs|Dnes je velmi hezké počasí a my jedeme k moři.
cy|Mae'r tywydd yn braf iawn heddiw ac rydym yn mynd i'r môr.
da|Vejret er meget smukt i dag, og vi tager til havet sammen med børnene.
de|Das Wetter ist heute sehr schön, und wir fahren ans Meer.
el|Ο καιρός είναι πολύ καλός σήμερα και πάμε στη θάλασσα.
en|The weather is lovely today, and we are going to the sea.
eo|La vetero estas tre bela hodiaŭ, kaj ni iras al la maro.
es|Hoy hace muy buen tiempo y vamos a ir a la playa con los niños.
et|Täna on väga ilus ilm ja me läheme mere äärde.
eu|Gaur eguraldi oso ona egiten du eta itsasora goaz.
fa|امروز هوا خیلی خوب است و ما به دریا می‌رویم.
fi|Tänään on todella kaunis ilma, ja me menemme merelle.
fil|Napakaganda ng panahon ngayon at pupunta kami sa dagat.
fr|Il fait très beau aujourd'hui, et nous allons à la mer.
ga|Tá an aimsir go hálainn inniu agus táimid ag dul go dtí an fharraige.
gu|આજે હવામાન ખૂબ સરસ છે.
he|מזג האוויר יפה מאוד היום, ואנחנו הולכים לים.
hi|आज मौसम बहुत अच्छा है और हम समुद्र किनारे जा रहे हैं।
hr|Danas je vrijeme vrlo lijepo i idemo na more s djecom.
hu|Ma nagyon szép az idő, és a tengerhez megyünk.
hy|Այսօր եղանակը շատ լավ է։
id|Cuaca hari ini sangat bagus dan kami akan pergi ke laut.
is|Veðrið er mjög gott í dag og við förum að sjónum.
it|Oggi il tempo è molto bello e andiamo al mare con i bambini.
ja|今日は天気がとてもいいので、海へ行きます。
ka|დღეს ძალიან კარგი ამინდია.
kk|Бүгін ауа райы өте жақсы, біз теңізге барамыз.
kn|ಇಂದು ಹವಾಮಾನ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ.
ko|오늘은 날씨가 아주 좋아서 바다에 갑니다.
la|Hodie caelum serenum est et ad mare cum amicis nostris imus.
lt|Šiandien labai gražus oras, ir mes važiuojame prie jūros.
lv|Šodien ir ļoti jauks laiks, un mēs braucam pie jūras.
mk|Денес времето е многу убаво и одиме на море.
ml|ഇന്ന് കാലാവസ്ഥ വളരെ നല്ലതാണ്.
mr|आज हवामान खूप छान आहे आणि आम्ही समुद्रावर जात आहोत.
my|ဒီနေ့ ရာသီဥတု အရမ်းကောင်းတယ်။
nb|I dag skal vi på hytta og spise pølser, og så går vi på ski.
ne|आजको मौसम धेरै राम्रो छ र हामी समुद्रमा जाँदैछौं।
nl|Het weer is vandaag erg mooi en we gaan naar zee.
pa|ਅੱਜ ਮੌਸਮ ਬਹੁਤ ਵਧੀਆ ਹੈ।
pl|Dzisiaj pogoda jest bardzo ładna i jedziemy nad morze.
pt|Hoje o tempo está muito bom e vamos à praia com as crianças.
ro|Vremea este foarte frumoasă astăzi și mergem la mare.
ru|Сегодня очень хорошая погода, и мы едем на море.
si|අද කාලගුණය ඉතා හොඳයි.
sk|Dnes je veľmi pekné počasie a ideme k moru s deťmi.
sl|Danes je zelo lepo vreme, zato gremo vsi skupaj na morje.
sq|Sot moti është shumë i bukur dhe ne po shkojmë në det.
sr|Данас је време веома лепо и идемо на море са децом.
sv|Vädret är mycket fint idag och vi åker till havet.
sw|Hali ya hewa ni nzuri sana leo na tunakwenda baharini.
ta|இன்று வானிலை மிகவும் நன்றாக இருக்கிறது.
te|ఈ రోజు వాతావరణం చాలా బాగుంది.
th|วันนี้อากาศดีมากและเรากำลังจะไปทะเล
tr|Bugün hava çok güzel ve denize gidiyoruz.
uk|Сьогодні дуже гарна погода, і ми їдемо на море.
ur|آج موسم بہت اچھا ہے اور ہم سمندر پر جا رہے ہیں۔
vi|Hôm nay thời tiết rất đẹp và chúng tôi đi biển.
zh|今天天气很好，我们去海边。
"""
WORDS = """
de|Guten Morgen
de|GUTEN MORGEN, WIE GEHT ES IHNEN?
en|Hello.
en|HELLO WORLD
en|Hello there.
en|Testing, one two three
en|New York
en|The end.
en|Ana
es|Muchas gracias.
fr|Bonjour !
it|Grazie mille.
ja|東京都庁前駅にて
ja|iPhoneを使う
pl|Dziękuję bardzo.
ru|привет
sk|Ďakujem veľmi pekne.
vi|Xin chào
zh|日本
zh|我用 Python 写了一个程序
"""
UNTELLING = ["", "123 456", "-->", "\0", "ᚠᚢᚦ", "🎉", "'", "\u0301"]


def one(text: str) -> str:
    (language,) = languages_of([text])
    return language


@pytest.mark.parametrize("table", [SENTENCES, WORDS])
def test_a_text_is_in_its_language(table):
    rows = [row.split("|") for row in table.strip().splitlines()]
    wrong = [(code, one(text), text) for code, text in rows if one(text) != code]
    assert wrong == []


def test_an_unknown_language_is_english():
    assert [one(text) for text in UNTELLING] == ["en"] * len(UNTELLING)
    assert languages_of(UNTELLING) == ["en"] * len(UNTELLING)
    assert languages_of([]) == []


def test_unknown_words_are_detected_by_script():
    assert [one(text) for text in ("Ъъ", "بب", "कख", "Djjk")] == [
        *("ru", "ar", "hi", "en")
    ]


def test_a_scene_has_the_language_of_its_job_unless_it_is_sure():
    german = "Das Wetter ist heute sehr schön, und wir fahren ans Meer."
    english = "The weather is lovely today, and we are going to the sea."
    for texts, expected in [
        ([german * 2, "Ciao!", "OK", "42", english], "de de de de en"),
        ([english * 2, "Ciao!", "Привет!", "今日は", german], "en en ru ja de"),
        (["Привет.", german, "Ja."], "ru de de"),
        (["Merci bien,", "au revoir."], "fr fr"),
        (["123", "Hallo Welt, wie geht es dir heute?"], "de de"),
    ]:
        assert languages_of(texts) == expected.split(), texts


def test_only_the_beginning_of_a_text_is_used(monkeypatch):
    asked: list[str] = []
    ask = detection._ask_model

    def noting(words: str) -> Counter[str]:
        asked.append(words)
        return ask(words)

    monkeypatch.setattr(detection, "_ask_model", noting)
    german = "Das Wetter ist heute sehr schön. " * 40
    assert one("The weather is lovely. " * 50 + german * 50) == "en"
    assert languages_of([german * 100] * 3) == ["de"] * 3
    assert max(map(len, asked)) <= 1000
