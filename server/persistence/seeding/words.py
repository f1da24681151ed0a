"""The words that made-up lessons and posts are written in, the frequent ones first."""

ENGLISH = """
the to a of and is in it that for you on this with my not have be as can what how when contract
function value error test gas lesson account address storage state event transaction code call
token balance block variable why works return struct mapping memory modifier owner transfer
require revert compile deploy network node wallet key signature hash proof chain reading array
string number integer type interface library import version tool editor problem question answer
example thanks exercise solution week course quiz module project team student teacher step line
file output input log message user loop condition check pass fail update create delete change
read write send receive approve allow mint burn supply price oracle bridge layer rollup security
attack reentrancy overflow underflow access control role admin upgrade proxy delegate fallback
payable view pure external internal public private virtual override abstract inherit constructor
assembly opcode bytecode solidity rust move cairo vyper python script compiler debugger trace
stack heap pointer reference copy slot layout packing cost limit estimate optimise cache batch
queue stream index search sort filter graph tree root leaf branch merge fork commit review
document deadline group session pair share comment vote badge level point streak rank
understand explain learn practise wonder notice expect prefer suggest explore compare
first last next new old small large fast slow simple difficult strange useful correct wrong
"""
GERMAN = """
die der das und ist in ich nicht ein mit zu auf für wie kann warum vertrag funktion wert fehler
prüfung gas lektion konto adresse speicher zustand ereignis aufruf kette schlüssel beweis frage
antwort beispiel danke aufgabe lösung woche kurs gruppe lehrer schritt zeile datei ausgabe eingabe
nachricht schleife bedingung ändern lesen schreiben senden verstehen erklären lernen üben schnell
langsam einfach schwierig seltsam nützlich richtig falsch
"""
FRENCH = """
le la les et est dans je ne pas un une avec pour sur comment pourquoi contrat fonction valeur
erreur essai leçon compte adresse mémoire état appel chaîne clé preuve question réponse exemple
merci exercice solution semaine cours groupe professeur étape ligne fichier sortie entrée message
boucle condition changer lire écrire envoyer comprendre expliquer apprendre rapide lent simple
difficile étrange utile juste faux
"""
SPANISH = """
el la los y es en yo no un una con para sobre cómo porqué contrato función valor error prueba
lección cuenta dirección memoria estado llamada cadena clave pregunta respuesta ejemplo gracias
ejercicio solución semana curso grupo profesor paso línea archivo salida entrada mensaje bucle
condición cambiar leer escribir enviar entender explicar aprender rápido lento sencillo difícil
extraño útil correcto falso
"""
ENDINGS = ("s", "ing", "ed", "er", "able", "less", "ness", "ly")
NAMES = """
Ada Alan Amara Anita Barbara Ben Chidi Clara Dana David Edsger Elif Emil Erika Fatima Felix Grace
Hana Hugo Ines Ivan Jamal Jean Jun Karin Katherine Kofi Lena Linus Lucia Maja Margaret Marie Mei
Milan Nadia Niklaus Noor Olga Omar Paul Priya Radia Ravi Rosa Sami Sofia Tariq Tim Vera Wei Yuki
"""


def vocabulary() -> dict[str, list[str]]:
    """The words by language. English has rare ones too, so that there is a long tail to search."""
    english = ENGLISH.split()
    rare = [word + ending for ending in ENDINGS for word in english if len(word) > 3]
    return {
        "en": english + rare,
        "de": GERMAN.split(),
        "fr": FRENCH.split(),
        "es": SPANISH.split(),
    }


def names() -> list[str]:
    """First names."""
    return NAMES.split()
