"""The sentence that a voice says in its sample, in its language."""

_COUNTING = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
"""A text for voices of other languages; every voice can say it."""

_TEXTS = {
    "ar": "مرحبا. اكتب شيئا، وسأقرؤه لك بصوت عال.",
    "bg": "Здравей. Напиши нещо и аз ще ти го прочета.",
    "bs": "Zdravo. Napiši nešto, a ja ću ti to pročitati.",
    "ca": "Hola. Escriu alguna cosa i te la llegiré en veu alta.",
    "cs": "Ahoj. Napiš něco a já ti to přečtu nahlas.",
    "da": "Hej. Skriv noget, så læser jeg det højt for dig.",
    "de": "Hallo. Schreib etwas, und ich lese es dir vor.",
    "el": "Γεια σου. Γράψε κάτι και θα σου το διαβάσω.",
    "en": "Hello. Write something, and I will read it aloud to you.",
    "eo": "Saluton. Skribu ion, kaj mi laŭtlegos ĝin al vi.",
    "es": "Hola. Escribe algo y te lo leeré en voz alta.",
    "et": "Tere. Kirjuta midagi ja ma loen selle sulle ette.",
    "fi": "Hei. Kirjoita jotain, niin luen sen sinulle ääneen.",
    "fr": "Bonjour. Écrivez quelque chose, et je vous le lirai à voix haute.",
    "he": "שלום. כתוב משהו, ואני אקרא לך אותו בקול.",
    "hi": "नमस्ते। कुछ लिखिए, और मैं आपको पढ़कर सुनाऊँगा।",
    "hr": "Bok. Napiši nešto, a ja ću ti to pročitati naglas.",
    "hu": "Szia. Írj valamit, és én felolvasom neked.",
    "id": "Halo. Tulis sesuatu, dan saya akan membacakannya untuk Anda.",
    "is": "Halló. Skrifaðu eitthvað og ég les það upphátt fyrir þig.",
    "it": "Ciao. Scrivi qualcosa e te lo leggerò ad alta voce.",
    "ja": "こんにちは。何か書いてください。声に出して読みます。",
    "ko": "안녕하세요. 글을 쓰시면 소리 내어 읽어 드리겠습니다.",
    "la": "Salve. Scribe aliquid, et clara voce tibi legam.",
    "lt": "Labas. Parašyk ką nors, ir aš tau tai perskaitysiu.",
    "lv": "Sveiki. Uzraksti kaut ko, un es tev to izlasīšu.",
    "ms": "Helo. Tulis sesuatu, dan saya akan membacakannya untuk anda.",
    "nb": "Hei. Skriv noe, så leser jeg det høyt for deg.",
    "nl": "Hallo. Schrijf iets, en ik lees het je voor.",
    "no": "Hei. Skriv noe, så leser jeg det høyt for deg.",
    "pl": "Cześć. Napisz coś, a ja ci to przeczytam na głos.",
    "pt": "Olá. Escreva alguma coisa e eu leio em voz alta para você.",
    "ro": "Bună. Scrie ceva, iar eu îți voi citi cu voce tare.",
    "ru": "Здравствуйте. Напишите что-нибудь, и я прочитаю это вслух.",
    "sk": "Ahoj. Napíš niečo a ja ti to prečítam nahlas.",
    "sl": "Živjo. Napiši nekaj in prebral ti bom na glas.",
    "sr": "Здраво. Напиши нешто, а ја ћу ти то прочитати.",
    "sv": "Hej. Skriv något, så läser jag upp det för dig.",
    "tr": "Merhaba. Bir şey yaz, sana yüksek sesle okuyayım.",
    "uk": "Вітаю. Напишіть щось, і я прочитаю це вголос.",
    "vi": "Xin chào. Hãy viết gì đó, tôi sẽ đọc to cho bạn nghe.",
    "zh": "你好。写点什么，我来读给你听。",
}
# Other codes for the same language. Voices for several languages (mul) speak English.
_SAME = {"cmn": "zh", "yue": "zh", "nn": "nb", "iw": "he", "fil": "tl", "mul": "en"}


def text_for(language: str) -> str:
    """Return the sample text for a voice of `language` (BCP 47)."""
    tag = language.lower().split("-")
    if "latn" in tag:
        return _COUNTING  # these sentences are not in Latin script
    return _TEXTS.get(_SAME.get(tag[0], tag[0]), _COUNTING)
