/* See detect_texts.h. The sentences were written for this file. */
#include "detect_texts.h"

#include <stdio.h>
#include <stdlib.h>

uint32_t
text_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

struct writer {
	char *p;
	size_t n, room;
	uint64_t random;
};

static bool
full(const struct writer *w)
{
	return w->n == w->room;
}

static void
put(struct writer *w, const char *s)
{
	while (*s && !full(w))
		w->p[w->n++] = *s++;
}

static void
put_c(struct writer *w, char c)
{
	if (!full(w))
		w->p[w->n++] = c;
}

static uint32_t
below(struct writer *w, uint32_t n)
{
	return text_random(&w->random) % n;
}

static void
put_n(struct writer *w, uint32_t n)
{
	char s[16];

	snprintf(s, sizeof(s), "%u", n);
	put(w, s);
}

static void
put_digits(struct writer *w, unsigned n)
{
	while (n--)
		put_c(w, (char)('0' + below(w, 10)));
}

static void
put_from(struct writer *w, const char *alphabet, unsigned n)
{
	uint32_t size = (uint32_t)strlen(alphabet);

	while (n--)
		put_c(w, alphabet[below(w, size)]);
}

#define PICK(w, list) (list)[below((w), (uint32_t)(sizeof(list) / sizeof((list)[0])))]

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- prose ---- */

static const char *const openings[] = { "When the committee met again in the spring,",
	"For most of the people who work here,", "According to the report,",
	"After a long discussion about the budget,", "In the second half of the chapter,",
	"Although nobody had asked for it,", "Before we move to the next question,",
	"On the other side of the river,", "As the author points out,",
	"Even in a small town like this one,", "By the time the train arrived,",
	"Unlike the earlier versions of the plan,", "Without any further explanation,",
	"Once the weather had cleared,", "Since the last meeting,", "To everyone's surprise,",
	"From the window of the kitchen," };
static const char *const subjects[] = { "the director of the library", "a group of students",
	"the new teacher", "my neighbour's oldest daughter", "the engineers", "most of us",
	"the company that built the bridge", "every member of the orchestra", "the editor",
	"a young doctor from the coast", "the people who live near the harbour",
	"the whole family", "nobody in the office", "the gardener", "our research team",
	"the manager of the hotel", "several of the older passengers", "the city council" };
static const char *const verbs[] = { "decided to wait for", "could not remember",
	"had already written about", "was quietly proud of", "explained the reasons for",
	"spent three weeks on", "promised to look after", "argued at length about",
	"learned a great deal from", "paid very little attention to", "kept coming back to",
	"wanted to understand", "took the time to describe", "agreed to support",
	"passed a careful judgment on", "opened the door to", "was asked to summarise" };
static const char *const objects[] = { "the history of the place",
	"a better way of sharing the work", "the music that was played in the evening",
	"the difference between the two proposals", "the idea that language shapes thought",
	"the letters in the old wooden box", "a simple recipe for bread",
	"the effects of the drought on the harvest", "the questions raised by the audience",
	"an unusually cold winter", "the key argument of the essay",
	"the structure of the argument", "the secret of a good conversation",
	"the price of paper", "what the children had built in the garden",
	"the design of public spaces", "the order in which the tasks were finished" };
static const char *const closings[] = { ", which is why the project took so long.",
	", and the rest followed without difficulty.", ".", ". It was not an easy choice.",
	"; nothing like it had been tried before.", ", or so it seemed at the time.",
	". \"That is all I know,\" she said.", " - at least in theory.", "?",
	", because there was no other way to reach the station before dark.",
	". Please write a summary of the main points in plain language.",
	" (see the notes at the end of the page).", ". What would you suggest instead?" };

static void
english(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 11 };

	(void)k;
	for (unsigned i = 1; !full(&w); i++) {
		put(&w, PICK(&w, openings));
		put_c(&w, ' ');
		put(&w, PICK(&w, subjects));
		put_c(&w, ' ');
		put(&w, PICK(&w, verbs));
		put_c(&w, ' ');
		put(&w, PICK(&w, objects));
		put(&w, PICK(&w, closings));
		put(&w, i % 5 ? " " : "\n\n");
	}
}

static const char *const foreign[] = { "Нам нужно подготовить краткий отчёт о встрече до конца "
				       "недели, иначе работа остановится. ",
	"我们在会议上讨论了新的计划，大家都同意下个月开始实施。请帮我写一份简短的总结。",
	"يرجى كتابة ملخص قصير للنص التالي مع ذكر أهم النقاط التي وردت فيه. ",
	"Können Sie mir bitte erklären, warum der Garten im späten Frühling so viel Wasser "
	"braucht? ",
	"次の文章を読んで、要点を三つにまとめてください。よろしくお願いします。",
	"कृपया इस लेख का सारांश सरल भाषा में लिखिए ताकि सभी लोग समझ सकें। ",
	"Η επιτροπή αποφάσισε να περιμένει μέχρι το φθινόπωρο, επειδή δεν υπήρχε άλλος "
	"τρόπος. ",
	"회의에서 논의한 내용을 정리해서 다음 주까지 보내 주세요. ",
	"Le conseil a décidé d'attendre l'été, ce qui n'étonnera personne à la mairie. " };

static void
scripts(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 23 };

	(void)k;
	while (!full(&w))
		put(&w, PICK(&w, foreign));
}

static const char *const german_lines[] = {
	"Die Besprechung am Montag hat gezeigt, dass die meisten Fragen noch offen sind. ",
	"Im zweiten Teil des Kapitels geht es um die Geschichte der Stadt und ihrer Häfen. ",
	"Für die nächste Woche ist geplant, die Ergebnisse zusammenzufassen und zu prüfen. ",
	"Wer den Garten im Frühling pflegt, hat im Sommer weniger zu tun, sagt der Nachbar. ",
	"Das Verfahren dauert länger als erwartet, weil einige Unterlagen gefehlt haben. ",
	"Nach dem Umbau der Bibliothek stehen den Besuchern mehr Plätze zur Verfügung. ",
	"Ob der Vorschlag angenommen wird, entscheidet der Ausschuss in seiner Sitzung.\n\n"
};

static void
german(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 67 };

	(void)k;
	while (!full(&w))
		put(&w, PICK(&w, german_lines));
}

/* ---- numbers ---- */

static void
digit_heavy(const struct text_kind *k, char *to, size_t n)
{
	static const char *const what[] = { "order ", "qty ", "total $", "ref ", "took ",
		"id=", "rows ", "at ", "bytes ", "page ", "lot " };
	struct writer w = { to, 0, n, 37 };

	(void)k;
	while (!full(&w)) {
		put(&w, "2024-0");
		put_digits(&w, 1);
		put(&w, "-1");
		put_digits(&w, 1);
		put(&w, " 1");
		put_digits(&w, 1);
		put(&w, ":2");
		put_digits(&w, 1);
		put(&w, ":3");
		put_digits(&w, 1);
		put_c(&w, '.');
		put_digits(&w, 3);
		for (unsigned i = 0; i < 6; i++) {
			put_c(&w, ' ');
			put(&w, PICK(&w, what));
			put_digits(&w, 1 + below(&w, 12));
			if (below(&w, 3) == 0) {
				put_c(&w, '.');
				put_digits(&w, 2);
			}
		}
		put_c(&w, '\n');
	}
}

static void
csv(const struct text_kind *k, char *to, size_t n)
{
	static const char *const cities[] = { "Lisbon", "Leeds", "Graz", "Turin", "Ghent",
		"Malmo", "Porto", "Bergen" };
	static const char *const states[] = { "open", "closed", "pending", "returned" };
	struct writer w = { to, 0, n, 41 };

	(void)k;
	put(&w, "row,city,product,quantity,price,weight_kg,updated,state\n");
	for (uint32_t i = 1; !full(&w); i++) {
		put_n(&w, i);
		put_c(&w, ',');
		put(&w, PICK(&w, cities));
		put(&w, ",SKU-");
		put_digits(&w, 5);
		put_c(&w, ',');
		put_n(&w, below(&w, 200));
		put_c(&w, ',');
		put_n(&w, below(&w, 3000));
		put_c(&w, '.');
		put_digits(&w, 2);
		put(&w, ",0.");
		put_digits(&w, 3);
		put(&w, ",2023-11-2");
		put_digits(&w, 1);
		put_c(&w, ',');
		put(&w, PICK(&w, states));
		put_c(&w, '\n');
	}
}

/* As arguments of a tool call. */
static void
json(const struct text_kind *k, char *to, size_t n)
{
	static const char *const units[] = { "celsius", "kelvin", "percent", "metres" };
	static const char *const notes[] = { "the second delivery of the week",
		"nothing to report", "see the minutes of the last meeting", "check again" };
	struct writer w = { to, 0, n, 71 };

	(void)k;
	while (!full(&w)) {
		put(&w, "{\"query\": \"");
		put(&w, PICK(&w, objects));
		put(&w, "\", \"limit\": ");
		put_n(&w, below(&w, 50));
		put(&w, ", \"unit\": \"");
		put(&w, PICK(&w, units));
		put(&w, "\", \"strict\": true, \"items\": [{\"id\": ");
		put_n(&w, below(&w, 5000));
		put(&w, ", \"note\": \"");
		put(&w, PICK(&w, notes));
		put(&w, "\"}]}\n");
	}
}

/* A response with the data that the rules find. */
static void
records(const struct text_kind *k, char *to, size_t n)
{
	static const char *const people[] = { "Anna Keller", "John Whitfield", "Marta Nowak",
		"Peter Lindqvist", "Sofia Romano" };
	struct writer w = { to, 0, n, 73 };

	(void)k;
	while (!full(&w)) {
		put(&w, "I found the customer ");
		put(&w, PICK(&w, people));
		put(&w, " in the list. The address is a");
		put_digits(&w, 3);
		put(&w, "@mail.example.org, the phone number is +44 20 7946 0");
		put_digits(&w, 3);
		put(&w, ", and the order was paid with 4716 3791 4202 1968. ");
		put(&w, PICK(&w, subjects));
		put_c(&w, ' ');
		put(&w, PICK(&w, verbs));
		put_c(&w, ' ');
		put(&w, PICK(&w, objects));
		put(&w, PICK(&w, closings));
		put_c(&w, '\n');
	}
}

/* ---- code, mail, blobs ---- */

static const char *const code_lines[] = {
	"static int\nparse_header(struct reader *r, struct header *out)\n{\n",
	"\tif (r->at + 4 > r->end)\n\t\treturn -1;\n",
	"\tfor (size_t i = 0; i < count; i++)\n\t\tsum += table[i].weight;\n",
	"\treturn cache_get(cache, key, strlen(key)) ?: default_value;\n}\n\n",
	"/* The token is returned to the pool when its owner is done. */\n",
	"const handler = async (req, res) => {\n  const { name, limit = 20 } = req.query;\n",
	"  res.json(await store.list({ name, limit, cursor: req.query.cursor }));\n};\n\n",
	"def main(argv):\n    parser = argparse.ArgumentParser(description=__doc__)\n",
	"    parser.add_argument('--output', default='out.json', help='where to write')\n",
	"    for path in sorted(Path(args.root).glob('**/*.py')):\n        check(path)\n\n",
	"export interface Options {\n  retries?: number;\n  timeoutMs?: number;\n}\n\n",
	"SELECT u.name, count(*) FROM orders o JOIN users u ON u.id = o.user_id GROUP BY 1;\n",
	"#include <stdio.h>\n#include \"buffer.h\"\n\n",
	"    assert_eq!(tokens.next(), Some(Token::Ident(\"x\")));\n",
	"  \"dependencies\": { \"express\": \"^4.18.2\", \"lodash\": \"~4.17.21\" },\n"
};

static void
code(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 43 };

	(void)k;
	while (!full(&w))
		put(&w, PICK(&w, code_lines));
}

static void
mail(const struct text_kind *k, char *to, size_t n)
{
	static const char *const names[] = { "ines", "paul", "marek", "yuki", "owen", "dana" };
	static const char *const hosts[] = { "corp.example", "mail.example.org",
		"example.net" };
	struct writer w = { to, 0, n, 47 };

	(void)k;
	while (!full(&w)) {
		put(&w, "From: ");
		put(&w, PICK(&w, names));
		put_c(&w, '@');
		put(&w, PICK(&w, hosts));
		put(&w, "\nTo: ");
		put(&w, PICK(&w, names));
		put_c(&w, '@');
		put(&w, PICK(&w, hosts));
		put(&w, "\nDate: Tue, 14 May 2024 09:1");
		put_digits(&w, 1);
		put(&w, ":44 +0200\nSubject: notes of the meeting\n\nHello,\n");
		for (unsigned i = 0; i < 6; i++) {
			put(&w, PICK(&w, subjects));
			put_c(&w, ' ');
			put(&w, PICK(&w, verbs));
			put_c(&w, ' ');
			put(&w, PICK(&w, objects));
			put(&w, PICK(&w, closings));
			put_c(&w, '\n');
		}
		put(&w, "Room 4, call me on +44 20 7946 0");
		put_digits(&w, 3);
		put(&w, " before noon.\n-- \n");
	}
}

static void
blob(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 53 };

	(void)k;
	while (!full(&w)) {
		put_from(&w, base64, 76);
		put_c(&w, '\n');
	}
}

static void
one_blob(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 59 };

	(void)k;
	while (!full(&w))
		put_from(&w, base64, 1);
}

const struct text_kind text_kinds[] = {
	{ "clean English", english, "" },
	{ "digit-heavy", digit_heavy, "" },
	{ "code", code, "" },
	{ "base64, lines", blob, "" },
	{ "base64, one run", one_blob, "" },
	{ "CSV", csv, "" },
	{ "e-mail", mail, "" },
	{ "other scripts", scripts, "" },
	{ "German", german, "" },
	{ "JSON", json, "" },
	{ "personal data", records, "" },
};
const size_t text_kinds_count = sizeof(text_kinds) / sizeof(text_kinds[0]);

/* ---- texts that are slow to scan ---- */

static void
repeat(const struct text_kind *k, char *to, size_t n)
{
	size_t len = strlen(k->unit);

	for (size_t i = 0; i < n; i++)
		to[i] = k->unit[i % len];
}

/* Digits with one of the unit's bytes after each group of one to five. */
static void
separated(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 61 };

	while (!full(&w)) {
		put_digits(&w, 1 + below(&w, 5));
		put_from(&w, k->unit, 1);
	}
}

/* Bytes of the unit, in any order. */
static void
shuffled(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 67 };

	put_from(&w, k->unit, (unsigned)n);
}

static void
any_bytes(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 73 };

	(void)k;
	while (!full(&w))
		put_c(&w, (char)below(&w, 256));
}

/* Characters of two and three bytes, and some of one. */
static void
any_characters(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 83 };

	(void)k;
	while (!full(&w)) {
		uint32_t kind = below(&w, 3);
		uint32_t c = kind == 0	 ? 0x20 + below(&w, 0x5F)
			     : kind == 1 ? 0x80 + below(&w, 0x780)
					 : 0x800 + below(&w, 0xCF00);
		if (kind == 2)
			put_c(&w, (char)(0xE0 | c >> 12));
		if (kind)
			put_c(&w, (char)(kind == 1 ? 0xC0 | c >> 6 : 0x80 | (c >> 6 & 63)));
		put_c(&w, (char)(kind ? 0x80 | (c & 63) : c));
	}
}

/* A key without its end, repeated. */
static void
pem(const struct text_kind *k, char *to, size_t n)
{
	struct writer w = { to, 0, n, 71 };

	put(&w, k->unit);
	while (!full(&w)) {
		put_from(&w, base64, 64);
		put_c(&w, '\n');
	}
}

const struct text_kind text_hostile[] = {
	{ "digits", repeat, "1234567890" },
	{ "zeros", repeat, "0" },
	{ "digits and blanks", separated, " " },
	{ "digits and dashes", separated, "-" },
	{ "digits and dots", separated, "." },
	{ "digits and slashes", separated, "/" },
	{ "digits and commas", separated, "," },
	{ "digits, any separator", separated, " -./,:()+" },
	{ "one digit, one blank", repeat, "1 " },
	{ "1.1.1.", repeat, "1.1.1." },
	{ "4111 ", repeat, "4111 " },
	{ "phones", repeat, "+1 (212) 555 " },
	{ "(1", repeat, "(1" },
	{ "00", repeat, "00 " },
	{ "dates", repeat, "1990-01-01 " },
	{ "ssn 123-45-678", repeat, "ssn 123-45-678 " },
	{ "@", repeat, "@" },
	{ "a@", repeat, "a@" },
	{ "a@b.", repeat, "a@b." },
	{ "a.a.a.@", repeat, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a@" },
	{ "mail in mail", repeat, "jo@ex.am@" },
	{ "a:", repeat, "a:" },
	{ "::", repeat, "::" },
	{ "1:2:3:", repeat, "1:2:3:" },
	{ "ab-cd:", repeat, "ab-cd:" },
	{ "key", repeat, "key" },
	{ "key=", repeat, "key=" },
	{ "key key", repeat, "key " },
	{ "a_token_key:", repeat, "a_token_key:" },
	{ "password=", repeat, "password=" },
	{ "secret is", repeat, "secret is is is " },
	{ "token, in quotes", repeat, "token\"'`:\"" },
	{ "quotes", repeat, "\"'`" },
	{ "authorization: ", repeat, "authorization: " },
	{ "cookie: a=", repeat, "cookie: a=b; " },
	{ "bearer ", repeat, "bearer " },
	{ "-u a:", repeat, " -u a:" },
	{ "--user", repeat, "--user" },
	{ "a://b:", repeat, "a://b:" },
	{ "https://", repeat, "https://" },
	{ "eyJ", repeat, "eyJ" },
	{ "eyJ.", repeat, "eyJhbGciOiJ." },
	{ "sk-", repeat, "sk-" },
	{ "AKIA", repeat, "AKIA" },
	{ "ghp_", repeat, "ghp_" },
	{ "-----BEGIN ", repeat, "-----BEGIN " },
	{ "PEM heads", repeat, "-----BEGIN PRIVATE KEY-----" },
	{ "PEM without end", pem, "-----BEGIN RSA PRIVATE KEY-----\n" },
	{ "PuTTY heads", repeat, "PuTTY-User-Key-File-2: " },
	{ "SSH2 heads", repeat, "---- BEGIN SSH2 PRIVATE KEY ----" },
	{ "kind: Secret", repeat, "kind: Secret\ndata:\n  a: " },
	{ "passport no", repeat, "passport no. " },
	{ "names of ids", repeat, "tax id no ssn nin vat number passport id card " },
	{ "line breaks", repeat, "\n" },
	{ "names of events", repeat, "id:\n" },
	{ "stars", repeat, "*" },
	{ "octal codes", repeat, "12 " },
	{ "dots", repeat, "." },
	{ "colons", repeat, ":" },
	{ "dashes", repeat, "-" },
	{ "blanks", repeat, " " },
	{ "one letter", repeat, "a" },
	{ "high bytes", repeat, "\xc3\xa9" },
	{ "invalid UTF-8", repeat, "\xff\x80" },
	{ "backslashes", repeat, "\\\"" },
	{ "mixed bytes", shuffled, " 0123456789-./:@=\"'+(),eyJsk_" },
	{ "bytes at random", any_bytes, "" },
	{ "signs at random", shuffled,
		"!\"#$%&'()*+,-./0123456789:;<=>?"
		"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"
		"`abcdefghijklmnopqrstuvwxyz{|}~" },
	{ "characters at random", any_characters, "" },
	{ "hex", shuffled, "0123456789abcdef" },
	{ "upper and digits", shuffled, "ABCDEFGHJKLMNPRSTUVWXYZ0123456789" },
	{ "upper, digits, blanks", shuffled, "ABCDEFGHJKLMNPRSTUVWXYZ0123456789  " },
	{ "digits before tags", repeat, "0\\><A&" },
	{ "equals signs", repeat, "24\\==" },
	{ "columns of numbers", repeat, "5::026\\230" },
	{ "members of a value", repeat, ":...9-:Sec\"ret-" },
	{ "short cells below a key", repeat, "cap,cap**a\ncap\\|" },
};
const size_t text_hostile_count = sizeof(text_hostile) / sizeof(text_hostile[0]);
