/* Names of people, places, organizations and streets: which are found, which texts are not, and
 * the recall on clinical text (tests/data/clinical.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"
#include "support/detect_fix.h"

/* Writes "ENTITY value|" for every finding of a name finder's entity. */
static void
describe(struct detect_fix *f, struct span text, const struct findings *v, struct buf *out)
{
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < FINDERS; k++)
			if (f->rules->finders[k] == v->v[i].entity + 1)
				buf_printf(out, "%s %.*s|",
					detect_entity_name(f->rules, v->v[i].entity),
					SPAN_ARG(span_cut(text, v->v[i].start, v->v[i].end)));
}

struct row {
	const char *name, *text, *before, *want;
};

static void
expect_rows(struct detect_fix *f, const struct row *rows, size_t n, const float *thresholds,
	bool labeled)
{
	for (size_t i = 0; i < n; i++) {
		struct span text = span_str(rows[i].text);
		struct detect_options opt = { .thresholds = thresholds,
			.before = span_str(rows[i].before),
			.labeled_names = labeled };
		struct findings v;
		struct buf got;
		buf_init(&got, 0);
		assert_int_equal(detect_fix_scan(f, text, &opt, &v), 0);
		describe(f, text, &v, &got);
		if (!span_is(buf_view(&got), rows[i].want))
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(buf_view(&got)));
		buf_free(&got);
		arena_reset(&f->arena);
	}
}
#define EXPECT(f, rows, thresholds)                                                            \
	expect_rows(f, rows, sizeof(rows) / sizeof(rows[0]), thresholds, false)

/* clang-format off */
static const struct row people[] = {
	{ "the end of a hexadecimal number is no title", "PORT: 78ba\nPORT: 3342", NULL, "" },
	{ "a title names what follows", "ask Dr. Quuxworthy about it", NULL, "PERSON Quuxworthy|" },
	{ "small words with an apostrophe behind a title", "ask Dr. van 't Quuxhof about it", NULL,
		"PERSON Quuxhof|" },
	{ "an apostrophe behind a title", "Dr. 't Quuxhof came. Don 't Quuxing, 2 of 3", NULL,
		"PERSON Quuxhof|PERSON Quuxing|" },
	{ "a title in small letters too", "ask dr. weiss about it", NULL, "PERSON weiss|" },
	{ "a cue and a name in no list", "My name is Zzyrmon", NULL, "PERSON Zzyrmon|" },
	{ "a given name and one in no list", "We met Brandon Zzyrmon in town", NULL, "PERSON Brandon Zzyrmon|" },
	{ "initials belong to the name", "signed by J. R. Tolkovsky", NULL, "PERSON J. R. Tolkovsky|" },
	{ "particles belong to the name", "written by Ludwig van der Meer", NULL, "PERSON Ludwig van der Meer|" },
	{ "particles in capitals too", "Maria Di Quuxvel, Joao Dos Zzyrmos, Karim Ben Ammar", NULL,
		"PERSON Maria Di Quuxvel|PERSON Joao Dos Zzyrmos|PERSON Karim Ben Ammar|" },
	{ "before a known family name too", "Yusuf El Amrani called. El Amrani left.", NULL,
		"PERSON Yusuf El Amrani|PERSON El Amrani|" },
	{ "not where an ordinary word follows", "Anna La Vie", NULL, "" },
	{ "not an article", "Maria Den Titel gewinnt", NULL, "" },
	{ "after a title they begin it", "Frau von der Leyen kam, dann Herr von Zzyrmon", NULL,
		"PERSON von der Leyen|PERSON von Zzyrmon|" },
	{ "after two titles", "Sehr geehrter Herr Dr. von Quuxfels, danke", NULL, "PERSON von Quuxfels|" },
	{ "after a title in small letters", "mevrouw van den Quuxvel belde", NULL,
		"PERSON van den Quuxvel|" },
	{ "not where a place or a word follows",
		"Notre Dame de Paris, la dame de Madrid", NULL, "" },
	{ "a possessive does not", "Samantha Birdwell's chart", NULL, "PERSON Samantha Birdwell|" },
	{ "family name first", "Name: Okonjo, Adaeze", NULL, "PERSON Okonjo, Adaeze|" },
	{ "a key names its value", "Wojciechowski", "last_name", "PERSON Wojciechowski|" },
	{ "a key in camelCase", "Tobias Finch", "patientName", "PERSON Tobias Finch|" },
	{ "a file's name is no person's", "Wojciechowski", "file name", "" },
	{ "a second mention is found by itself", "Patient: Rosalind Achterberg. Then Achterberg slept.", NULL,
		"PERSON Rosalind Achterberg|PERSON Achterberg|" },
	{ "names in a list speak for each other", "Kovalenko, Petrosyan and Papadopoulos came", NULL,
		"PERSON Kovalenko|PERSON Petrosyan|PERSON Papadopoulos|" },
	{ "accents may be missing", "Herr Muller und Frau Kreutzmann", NULL, "PERSON Muller|PERSON Kreutzmann|" },
	{ "a program's type is nobody", "Patient: ClickHouse, and by DefaultValue of ItemType", NULL, "" },
	{ "a name with a capital inside is somebody's", "Patient: Siobhan McAllister", NULL,
		"PERSON Siobhan McAllister|" },
	{ "what only a label calls a name is looked for there alone",
		"Full name: Keycloaky\nThe chart of Keycloaky has a port.", NULL, "PERSON Keycloaky|" },
	{ "German", "Mein Name ist Hannelore Kreutzmann", NULL, "PERSON Hannelore Kreutzmann|" },
	{ "French", "Je m'appelle Amélie Fontaine", NULL, "PERSON Amélie Fontaine|" },
	{ "Spanish", "Estimada Lucía Villalobos, gracias", NULL, "PERSON Lucía Villalobos|" },
	{ "Turkish", "Sayın Ayşe Yılmaz, merhaba", NULL, "PERSON Ayşe Yılmaz|" },
	{ "Polish", "Nazywam się Agnieszka Kowalczyk", NULL, "PERSON Agnieszka Kowalczyk|" },
	{ "Russian", "Пациент: Дмитрий Волков", NULL, "PERSON Дмитрий Волков|" },
	{ "Greek", "Με λένε Γιώργος Παπαδόπουλος", NULL, "PERSON Γιώργος Παπαδόπουλος|" },
	{ "Chinese", "患者姓名：王伟，男", NULL, "PERSON 王伟|" },
	{ "a field of a first name is whole", "人走䷯", "firstName", "PERSON 人走䷯|" },
	{ "dots between letters are left out", "Erensoy u.d Moldovan", "last_name", "PERSON Erensoy u.d Moldovan|" },
	{ "Japanese, by what follows", "佐藤さんが来た", NULL, "PERSON 佐藤|" },
	{ "Korean, by what follows", "김민준님 안녕하세요", NULL, "PERSON 김민준|" },
	{ "Arabic", "اسم المريض: محمد حسين", NULL, "PERSON محمد حسين|" },
	{ "Nigerian", "spoke with Chukwuemeka Okafor today", NULL, "PERSON Chukwuemeka Okafor|" },
	{ "Indian", "Regards,\nPriya Ramanathan", NULL, "PERSON Priya Ramanathan|" },
	{ "diseases are no people", "Parkinson's disease, Hodgkin lymphoma, Bell's palsy", NULL, "" },
	{ "scores and signs are none", "the Wells score and a positive Murphy sign; Glasgow Coma Scale", NULL, "" },
	{ "months and days are none", "Meet me in April or May, on Sunday", NULL, "" },
	{ "products are none", "Jenkins runs Python and Kafka on Ubuntu", NULL, "" },
	{ "words at a sentence's start are none", "Will it rain? Mark the date. Grant access. Rose early.", NULL, "" },
	{ "a domain's end is no title", "From: x@contoso.fr\nTo: a group; see example.fr Fax", NULL, "" },
	{ "a title behind another is one", "the office of Prof.Dr. Okafor", NULL, "PERSON Okafor|" },
	{ "identifiers are none", "foo.John = Bar_Smith(Anna::Lee, \"x\"); obj->Mary", NULL, "" },
	{ "abbreviations are none", "Pt s/p CABG, CKD, COPD; LMWH given. My IBAN is lost", NULL, "" },
};

static const struct row places[] = {
	{ "behind a preposition", "she lives in Toledo", NULL, "LOCATION Toledo|" },
	{ "in no list, but announced", "she lives in Zzyrmonville", NULL, "LOCATION Zzyrmonville|" },
	{ "with its state", "from Dayton, OH 45402", NULL, "LOCATION Dayton, OH|" },
	{ "behind a postcode", "Rechnung an 80331 München", NULL, "LOCATION München|" },
	{ "a country", "a factory in South Korea", NULL, "LOCATION South Korea|" },
	{ "a word that is a city too", "I am Reading a Nice book", NULL, "" },
	{ "Cyrillic", "Он живёт в Новосибирск", NULL, "LOCATION Новосибирск|" },
	{ "nationality by its label", "Nationality: Brazilian", NULL, "NRP Brazilian|" },
	{ "but not a restaurant's", "a Brazilian restaurant", NULL, "" },
};

static const struct row organisations[] = {
	{ "a form in law", "by Tremont Logistics LLC today", NULL, "ORGANIZATION Tremont Logistics LLC|" },
	{ "with its dot", "at Cascade Steel Inc.", NULL, "ORGANIZATION Cascade Steel Inc.|" },
	{ "German", "die Zzyrmon Anlagenbau GmbH liefert", NULL, "ORGANIZATION Zzyrmon Anlagenbau GmbH|" },
	{ "Italian", "la Zzyrmon S.p.A. di oggi", NULL, "ORGANIZATION Zzyrmon S.p.A.|" },
	{ "a hospital", "sent to Fairmount Community Hospital", NULL, "FACILITY Fairmount Community Hospital|" },
	{ "a saint's", "at St. Brigid Memorial Hospital", NULL, "FACILITY St. Brigid Memorial Hospital|" },
	{ "that begins its name", "en el Hospital Universitario Zzyrmon", NULL, "FACILITY Hospital Universitario Zzyrmon|" },
	{ "no name: no facility", "Hospital course and Clinic visit", NULL, "" },
};

static const struct row streets[] = {
	{ "United States", "at 418 Sycamore Lane", NULL, "STREET_ADDRESS 418 Sycamore Lane|" },
	{ "with a flat", "at 2209 N Hawthorne Ave, Suite 210", NULL, "STREET_ADDRESS 2209 N Hawthorne Ave, Suite 210|" },
	{ "an ordinal", "at 4589 40th Street today", NULL, "STREET_ADDRESS 4589 40th Street|" },
	{ "German", "wohnt Lindenallee 12a", NULL, "STREET_ADDRESS Lindenallee 12a|" },
	{ "Dutch", "op Keizersgracht 174", NULL, "STREET_ADDRESS Keizersgracht 174|" },
	{ "French", "au 12 rue de la République", NULL, "STREET_ADDRESS 12 rue de la République|" },
	{ "Spanish", "en Calle Mayor 3", NULL, "STREET_ADDRESS Calle Mayor 3|" },
	{ "small words between", "wohnt rue van Bacheux 12 und", NULL, "STREET_ADDRESS rue van Bacheux 12|" },
	{ "and more of them", "abita in Via dello Scalo 12, oggi", NULL, "STREET_ADDRESS Via dello Scalo 12|" },
	{ "Polish", "adres: ul. Podleśna 17", NULL, "STREET_ADDRESS ul. Podleśna 17|" },
	{ "Russian", "адрес: ул. Ленина 5", NULL, "STREET_ADDRESS ул. Ленина 5|" },
	{ "a post office box", "mail to P.O. Box 101", NULL, "STREET_ADDRESS P.O. Box 101|" },
	{ "a preposition and a town", "Am Markt 5, 10115 Berlin", NULL,
		"STREET_ADDRESS Am Markt 5|LOCATION Berlin|" },
	{ "a preposition and a label", "Adresse: Zum Anger 12 im Hof", NULL, "STREET_ADDRESS Zum Anger 12|" },
	{ "a square and a town", "au 14 place Carnot, 69002 Lyon", NULL,
		"STREET_ADDRESS 14 place Carnot|LOCATION Lyon|" },
	{ "a date is the street's name", "to al. Konstytucji 3 Maja 28 today", NULL,
		"STREET_ADDRESS al. Konstytucji 3 Maja 28|" },
	{ "numbers on both sides, and a code", "to 31 Eusebio Quux 57, 28013 Madrid", NULL,
		"STREET_ADDRESS 31 Eusebio Quux 57|LOCATION Madrid|" },
	{ "a word for number", "ke Gang Quux No. 5 lagi", NULL, "STREET_ADDRESS Gang Quux No. 5|" },
	{ "Persian", "نشانی: خیابان آزادی 12", NULL, "STREET_ADDRESS خیابان آزادی 12|" },
	{ "a year is no house", "in 2019 Wall Street fell", NULL, "" },
	{ "a chapter is none", "Chapter 5 Long Road", NULL, "" },
};

/* Ordinary sentences with numbers, one or two of a language: no number is that of a house. */
static const char *const counted[] = {
	"Im Oktober 1997 fuhren wir mit 14 Leuten los.",
	"Am Dienstag 15 Uhr beginnt Abschnitt 4, zum Schluss 3 Fragen.",
	"Zum Preis von 30 Euro gab es in der Klasse 7 nur 2 Karten.",
	"Depuis 1999 au cours 12, la route 66 fait 3940 km.",
	"Al Mundial 2022 fueron 32 equipos, al Grupo 3 van 12.",
	"Al Museo 3 visitatori su 10 entrano gratis.",
	"Em Maio 15 pessoas chegaram, em Junho 22.",
	"Al Consiliului 12 din 1998, la Parlament 30 de voturi",
	"Av Norges 356 kommuner ligger 12 i nord, av Kari Lunde, 34 år.",
	"OS i Paris 2024 hade 329 grenar. Omkring 16 000 kom.",
	"Lyskasser koster 49 kr., omkring 24 blev solgt",
	"W 2004 r. Polska miała 38 mln osób.",
	"A 3. Fejezet 12 oldal. Nagy, 1980; Szigeter, 1991",
	"30 Eylül 1882, 2017 Eylülünde 7,1 şiddetiyle",
	"Στις 30 Σεπτεμβρίου 1882 ήρθαν 34 άτομα.",
	"Ljubljana 63, Dallas 44, Toronto 12 in Celje 5",
	"Pada 16 Rajab 1344 ada 12 provinsi baru.",
	"في عام 1998 زار 12 وزيرا 5 دول، شارع فيه 12 متجرا",
	"בשנת 1962 היו בכפר 45 בתים ו 12 סוסים",
	"सन 1962 में गाँव में 45 घर और 12 कुएँ थे",
	"আমার 3 টি বই আর 12 টি কলম আছে",
	"میرے پاس 3 کتابیں اور 12 قلم ہیں",
	"در سال 1998 بیش از 12 نفر با 3 ماشین آمدند",
	"என்னிடம் 3 புத்தகங்கள் 12 பேனா உள்ளன",
	"ฉันมี 3 เล่ม และ 12 ด้าม",
	"the 1980s, Anna Bell Ford; agent 007 at Mission Control",
};

/* With the option labeled_names. */
static const struct row labeled[] = {
	{ "a label in a sentence", "Kunde Petra Müller rief an", NULL, "PERSON Petra Müller|" },
	{ "a label and a colon", "Nom : Jean Dupont", NULL, "PERSON Jean Dupont|" },
	{ "a title after a label", "Kundin: Frau Sabine Vogel", NULL, "PERSON Sabine Vogel|" },
	{ "a title in small letters after a label", "klant mevrouw van den Quuxvel belde", NULL,
		"PERSON van den Quuxvel|" },
	{ "a list of names after a label", "Customers: Tom Baker, Anna Schmidt and Jane Miller", NULL,
		"PERSON Tom Baker|PERSON Anna Schmidt|PERSON Jane Miller|" },
	{ "a key names its value", "Wojciechowski", "last_name", "PERSON Wojciechowski|" },
	{ "a later mention of the same name", "Patient: Rosalind Achterberg. Then Achterberg slept.", NULL,
		"PERSON Rosalind Achterberg|PERSON Achterberg|" },
	{ "Chinese", "姓名：王伟", NULL, "PERSON 王伟|" },
	{ "names in running prose are left alone", "Dear Maria Lopez, yesterday Tom Baker met Dr. Weiss.", NULL, "" },
	{ "in Chinese, too", "王伟先生昨天来了", NULL, "" },
	{ "one word that is also no name", "Patient: Smith, 54. Name: Maria", NULL, "PERSON Smith|PERSON Maria|" },
	{ "one word behind a first name", "Prénom : Marie\nLast name: Baker", NULL, "PERSON Marie|PERSON Baker|" },
	{ "a phrase that says whose name it is", "My name is Tom Baker", NULL, "PERSON Tom Baker|" },
	{ "an ordinary word behind a given name", "Patient: Jane Roe", NULL, "PERSON Jane Roe|" },
	{ "a Vietnamese name", "Name: Nguyễn Thị Minh Khai\n", NULL, "PERSON Nguyễn Thị Minh Khai|" },
	{ "a prefix in small letters", "Name: Fatima al-Zahra\n", NULL, "PERSON Fatima al-Zahra|" },
	{ "small words before the family name", "Patient: van den Quux, Pieter", NULL,
		"PERSON van den Quux, Pieter|" },
	{ "small words and one word", "Patient: van den Quuxvel\n", NULL, "PERSON van den Quuxvel|" },
	{ "an apostrophe before a small letter", "Patient: Pieter van 't Hoff\n", NULL,
		"PERSON Pieter van 't Hoff|" },
	{ "a small part with a slash", "Customer: Muthu a/l Raman (ID 4471)", NULL,
		"PERSON Muthu a/l Raman|" },
	{ "a Hawaiian letter", "Patient: Keanu Kamakawiwo\xca\xbbole\n", NULL,
		"PERSON Keanu Kamakawiwo\xca\xbbole|" },
	{ "a suffix", "Patient: Robert E. Lee Jr., 54", NULL, "PERSON Robert E. Lee Jr|" },
	{ "a label that follows ends the field", "Patient: Jane Roe Sex: F", NULL, "PERSON Jane Roe|" },
	{ "Japanese behind an English label", "Patient: 山田太郎\n", NULL, "PERSON 山田太郎|" },
	{ "markup between a label and its field", "<b>Name:</b> Zaxan Quoxel<br>", NULL,
		"PERSON Zaxan Quoxel|" },
	{ "a CDATA section", "<name><![CDATA[Anna Schmidt]]></name>", NULL, "PERSON Anna Schmidt|" },
	{ "an element", "<name>Anna Schmidt</name>", NULL, "PERSON Anna Schmidt|" },
	{ "a step of a workflow is none", "- name: Download artifacts\n- name: Grant Access\n", NULL, "" },
	{ "nor a value in code", "x = { name: 'Foo', owner: \"Anchore Grype\" };", NULL, "" },
	{ "nor a value of a key", "Deploy", "name", "" },
	{ "a key beside tells that it is a person", "name: Zaxan Quoxel\nemail: zaxan@example.org", NULL,
		"PERSON Zaxan Quoxel|" },
	{ "before the name, too", "{\"phone\": 1, \"name\": \"Zaxan Quoxel\"}", NULL,
		"PERSON Zaxan Quoxel|" },
	{ "an element beside", "<name>Zaxan Quoxel</name><email>x</email>", NULL,
		"PERSON Zaxan Quoxel|" },
	{ "a key of another record tells nothing",
		"[{\"name\": \"Zaxan Quoxel\"}, {\"phone\": 1}]", NULL, "" },
	{ "a column beside one of personal data", "id,name,email\n1,Zaxan Quoxel,\n2,Foo,\n", NULL,
		"PERSON Zaxan Quoxel|PERSON Foo|" },
	{ "a column in which most cells look like names",
		"| Name | n |\n|---|---|\n| Zaxan Quoxel | 1 |\n| Anna Schmidt | 2 |\n| Tom Baker | 3 |\n", NULL,
		"PERSON Zaxan Quoxel|PERSON Anna Schmidt|PERSON Tom Baker|" },
	{ "a column of other things", "name,size\nDeploy Agent,1\nKubesec,2\nBuild Image,3\n", NULL, "" },
	{ "the literals of an INSERT",
		"INSERT INTO t (name, phone) VALUES ('Zaxan Quoxel', 1), ('Deploy to it', 2);", NULL,
		"PERSON Zaxan Quoxel|" },
	{ "the cells of a table in HTML",
		"<table><tr><th>Name</th><th>n</th></tr><tr><td>Anna Schmidt</td><td>1</td></tr></table>", NULL,
		"PERSON Anna Schmidt|" },
	{ "a column in Chinese", "姓名,电话\n李小娜,1\n", NULL, "PERSON 李小娜|" },
	{ "initials behind a key", "{\"owner\": \"Q. Z. Zaxan\"}", NULL, "PERSON Q. Z. Zaxan|" },
	{ "a program's name is none", "Name: Python, name: nginx, Client: Chrome", NULL, "" },
	{ "speech is no label", "and she said: Tom Baker came", NULL, "" },
};
/* clang-format on */

static void
labeled_names_are_found_with_the_option(void **state)
{
	expect_rows(*state, labeled, sizeof(labeled) / sizeof(labeled[0]), NULL, true);
}

static void
names_of_people_are_found(void **state)
{
	EXPECT(*state, people, NULL);
}

static void
names_of_places_are_found(void **state)
{
	EXPECT(*state, places, NULL);
}

static void
organizations_and_facilities_are_found(void **state)
{
	EXPECT(*state, organisations, NULL);
}

static void
street_addresses_are_found(void **state)
{
	EXPECT(*state, streets, NULL);
}

static void
numbers_of_ordinary_sentences_are_no_addresses(void **state)
{
	struct detect_fix *f = *state;
	struct findings v;

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		assert_int_equal(detect_fix_scan(f, span_str(counted[i]), NULL, &v), 0);
		for (size_t k = 0; k < v.n; k++)
			if (f->rules->finders[FIND_STREET] == v.v[k].entity + 1)
				fail_msg("%s", counted[i]);
		arena_reset(&f->arena);
	}
}

/* ---- thresholds ---- */

static void
lower_threshold_finds_weaker_names(void **state)
{
	static const struct row weak[] = {
		{ "a family name alone", "then Kowalczyk slept", NULL, "PERSON Kowalczyk|" },
	};
	static const struct row nothing[] = {
		{ "a family name alone", "then Kowalczyk slept", NULL, "" },
		{ "a title", "ask Dr. Quuxworthy in Toledo, 5 Sycamore Lane", NULL, "" },
	};
	struct detect_fix *f = *state;
	float low[DETECT_ENTITIES_MAX], off[DETECT_ENTITIES_MAX];

	for (size_t e = 0; e < DETECT_ENTITIES_MAX; e++) {
		low[e] = 0.5f;
		off[e] = 1.0f;
	}
	low[detect_entity_find(f->rules, SPAN_LIT("PERSON"))] = 0.25f;
	EXPECT(f, weak, low);
	EXPECT(f, nothing, off);
}

/* ---- bounds ---- */

/* For any text, work that grows with the square of a megabyte would exceed the test's time
 * limit. */
static void
hostile_text_takes_linear_time_for_names(void **state)
{
	static const char *const units[] = { "A B C D ", "Anna Lee, ", "12 Rue 5 ", "A-b-c-",
		"Dr. Mr. ", "\xe7\x8e\x8b\xe4\xbc\x9f", "van der ", "O'", "Hospital of ",
		"patient name is ", "\xd9\x85\xd8\xb1 ", "\xff\xc3", "New York New " };
	struct detect_fix *f = *state;
	enum { LARGE = 1 << 20 };
	static char text[LARGE];

	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		size_t n = strlen(units[u]);
		for (size_t i = 0; i < LARGE; i++)
			text[i] = units[u][i % n];
		f->scratch->n = 0;
		names_scan(f->rules, f->scratch, span_of(text, LARGE), NULL);
	}
}

/* ---- lists of an operator ---- */

static void
put_file(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char person_rule[] =
	"entity: PERSON\nclass: pii\nsource: test\nfinder: person\n"
	"examples: {match: [{text: 'my Zork Blip', find: 'Zork Blip'}]}\n";

static void
lists_in_a_folder_replace_the_built_in_ones(void **state)
{
	char dir[] = "/tmp/tollgate-names-XXXXXX", names[64], command[128];
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	assert_non_null(mkdtemp(dir));
	snprintf(names, sizeof(names), "%s/names", dir);
	put_file(dir, "person.yaml", person_rule);
	struct detect_rules *r = detect_load(dir, &errors);
	assert_non_null(r);
	assert_int_equal(detect_self_test(r, &errors), 1); /* Zork is in none of our lists */
	char version[65];
	memcpy(version, detect_version(r), sizeof(version));
	detect_free(&r);

	assert_int_equal(mkdir(names, 0700), 0);
	put_file(names, "given.txt", "# invented\nZork\n");
	put_file(names, "surname.txt", "Blip\n");
	buf_clear(&errors);
	r = detect_load(dir, &errors);
	assert_non_null(r);
	assert_int_equal(detect_self_test(r, &errors), 0);
	assert_string_not_equal(version, detect_version(r));
	detect_free(&r);

	put_file(names, "given.txt", "Zork\n123\n");
	put_file(names, "firstnames.txt", "Zork\n");
	assert_null(detect_load(dir, &errors));
	buf_putc(&errors, '\0');
	assert_non_null(strstr(buf_view(&errors).p, "names/given.txt:2:1: a term has letters"));
	assert_non_null(strstr(buf_view(&errors).p, "firstnames.txt:1:1: no word list"));
	buf_free(&errors);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void
name_finder_serves_one_entity(void **state)
{
	char dir[] = "/tmp/tollgate-names-XXXXXX", command[128];
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	assert_non_null(mkdtemp(dir));
	put_file(dir, "a.yaml", person_rule);
	put_file(dir, "b.yaml",
		"entity: NAME\nclass: pii\nsource: test\nfinder: person\nexamples: {match: "
		"['x']}\n");
	put_file(dir, "c.yaml",
		"entity: THING\nclass: pii\nsource: test\nfinder: thing\nexamples: {match: "
		"['x']}\n");
	put_file(dir, "d.yaml",
		"entity: NOTHING\nclass: pii\nsource: test\nexamples: {match: ['x']}\n");
	assert_null(detect_load(dir, &errors));
	buf_putc(&errors, '\0');
	assert_non_null(
		strstr(buf_view(&errors).p, "b.yaml:4:9: PERSON already has this finder"));
	assert_non_null(
		strstr(buf_view(&errors).p, "c.yaml:4:9: unknown finder; give one of person"));
	assert_non_null(
		strstr(buf_view(&errors).p, "d.yaml:1:1: a rule needs `patterns`, `tools` or `finder`"));
	buf_free(&errors);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* ---- clinical text ---- */

struct mark {
	size_t start, end;
	bool hit;
};

/* Converts "[LABEL|value]" to the text and the places of the values. */
static size_t
read_marks(char *line, struct buf *text, struct mark *marks, size_t room)
{
	size_t n = 0;

	for (char *p = line; *p && *p != '\n'; p++) {
		char *bar = *p == '[' ? strchr(p, '|') : NULL;
		if (bar) {
			char *close = strchr(bar, ']');
			assert_true(close && n < room);
			marks[n].start = buf_view(text).n;
			buf_put(text, bar + 1, (size_t)(close - bar - 1));
			marks[n++].end = buf_view(text).n;
			p = close;
		} else if (p[0] == '\\' && p[1] == 'n') {
			buf_putc(text, '\n');
			p++;
		} else {
			buf_putc(text, *p);
		}
	}
	return n;
}

/* Every label is PHI and every finding is PHI: they agree if they overlap. */
static void
clinical_values_are_found_and_other_text_is_not(void **state)
{
	struct detect_fix *f = *state;
	size_t labels[2] = { 0 }, found[2] = { 0 }, findings[2] = { 0 }, right[2] = { 0 },
	       line = 0;
	char *s = NULL;
	size_t room = 0;
	FILE *in = fopen("tests/data/clinical.txt", "r");

	assert_non_null(in);
	while (getline(&s, &room, in) > 0) {
		struct mark marks[32] = { 0 };
		struct findings v;
		struct buf text;
		if (s[0] == '#')
			continue;
		size_t half = line++ % 2;
		buf_init(&text, 0);
		memset(marks, 0, sizeof(marks));
		size_t n = read_marks(s, &text, marks, 32);
		assert_int_equal(
			detect_scan(f->rules, f->scratch, buf_view(&text), NULL, &f->arena, &v),
			0);
		for (size_t i = 0; i < v.n; i++) {
			bool hit = false;
			for (size_t k = 0; k < n; k++)
				if (v.v[i].start < marks[k].end && v.v[i].end > marks[k].start)
					hit = marks[k].hit = true;
			right[half] += hit;
		}
		for (size_t k = 0; k < n; k++)
			found[half] += marks[k].hit;
		labels[half] += n;
		findings[half] += v.n;
		buf_free(&text);
		arena_reset(&f->arena);
	}
	free(s);
	fclose(in);
	for (int half = 0; half < 2; half++) {
		print_message("%s half: recall %zu of %zu, precision %zu of %zu\n",
			half ? "second" : "first", found[half], labels[half], right[half],
			findings[half]);
		assert_true(labels[half] > 60);
		assert_true(found[half] * 100 >= labels[half] * 90);
		assert_true(right[half] * 100 >= findings[half] * 85);
	}
}

static void
packed_table_matches_the_lists(void **state)
{
	static const char *const words[] = { "anna", "müller", "paris", "the", "dr", "straße",
		"田中", "no such word", "new york" };
	const struct names_table *packed = names_builtin();
	struct arena a;
	struct diag d;

	(void)state;
	arena_init(&a, 0, true);
	diag_init(&d);
	struct names_table *read = names_load("policies/detectors/names", &a, &d);
	assert_non_null(read);
	assert_int_equal(d.errors, 0);
	assert_memory_equal(names_digest(packed), names_digest(read), 32);
	assert_int_equal(names_particle_max(packed), names_particle_max(read));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint64_t h = names_hash(span_str(words[i]));
		assert_int_equal(names_flags(packed, h), names_flags(read, h));
		assert_int_equal(names_flags_small(packed, h), names_flags_small(read, h));
	}
	assert_int_equal(names_surname_end(packed, SPAN_LIT("hernandez")),
		names_surname_end(read, SPAN_LIT("hernandez")));
	/* packing again gives the same bytes */
	struct buf one, two;
	buf_init(&one, 0);
	buf_init(&two, 0);
	names_pack(packed, &one);
	names_pack(read, &two);
	assert_true(span_eq(buf_view(&one), buf_view(&two)));
	buf_free(&one);
	buf_free(&two);
	names_free(&read);
	diag_free(&d);
	arena_reset(&a);
}

/* Other terms have more than one word, as a text is read backwards. */
static bool
has_marks(struct span term)
{
	for (size_t i = 0; i < term.n; i++)
		if (strchr("-./&0123456789", term.p[i]))
			return true;
	return false;
}

/* Tests the term as in its list, in capitals, with one capital, and after other letters. */
static void
each_writing(const struct names_table *t, struct span term, uint32_t flag)
{
	char text[256] = "";
	struct span s = span_of(text, 0);

	for (int kind = 0; kind < 4; kind++) {
		int n = snprintf(text, sizeof(text), "%s%.*s,", kind == 3 ? "is" : "is ",
			SPAN_ARG(term));
		size_t from = kind == 3 ? 2 : 3;
		s = span_of(text, (size_t)n - 1);
		for (size_t i = from; kind && i < (kind == 1 ? s.n : from + 1); i++)
			if (is_lower(text[i]))
				text[i] = (char)(text[i] & ~0x20);
		if (flag & W_LEAD)
			assert_true(names_lead_ends(t, s, false));
		if (flag & W_LEAD_DOT)
			assert_true(names_lead_ends(t, s, true));
		if (flag & W_FOLLOWS)
			assert_true(names_after_begins(t, span_cut(s, from, s.n)));
		if (flag & W_PARTICLE)
			assert_true(names_particle_begins(t, span_cut(s, from, s.n)));
	}
}

static void
prefilter_rejects_no_term(void **state)
{
	static const struct {
		const char *file;
		uint32_t flag;
	} lists[] = { { "cue", W_CUE }, { "label", W_LABEL }, { "before", W_BEFORE }, { "title", W_TITLE },
		{ "key", W_KEY }, { "street_start", W_STREET_START }, { "after", W_AFTER },
		{ "eponym", W_EPONYM }, { "particle", W_PARTICLE } };
	char path[128], line[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(path, sizeof(path), "policies/detectors/names/%s.txt", lists[i].file);
		FILE *in = fopen(path, "r");
		assert_non_null(in);
		while (fgets(line, sizeof(line), in)) {
			struct span term = span_trim(span_str(line), " \t\r\n");
			if (term.n && line[0] != '#' && !has_marks(term))
				each_writing(names_builtin(), term, lists[i].flag);
		}
		fclose(in);
	}
	assert_false(names_lead_ends(names_builtin(), SPAN_LIT("a committee"), false));
	assert_false(names_particle_begins(names_builtin(), SPAN_LIT("committee ")));
	assert_true(names_particle_begins(names_builtin(), SPAN_LIT("u.d Din")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_people_are_found),
		cmocka_unit_test(labeled_names_are_found_with_the_option),
		cmocka_unit_test(names_of_places_are_found),
		cmocka_unit_test(organizations_and_facilities_are_found),
		cmocka_unit_test(street_addresses_are_found),
		cmocka_unit_test(numbers_of_ordinary_sentences_are_no_addresses),
		cmocka_unit_test(lower_threshold_finds_weaker_names),
		cmocka_unit_test(hostile_text_takes_linear_time_for_names),
		cmocka_unit_test(lists_in_a_folder_replace_the_built_in_ones),
		cmocka_unit_test(name_finder_serves_one_entity),
		cmocka_unit_test(packed_table_matches_the_lists),
		cmocka_unit_test(prefilter_rejects_no_term),
		cmocka_unit_test(clinical_values_are_found_and_other_text_is_not),
	};

	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
