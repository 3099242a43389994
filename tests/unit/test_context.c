/* Context of a value: the header above it in a table, its label in a form, words on both sides,
 * and words that speak against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "scan/detect/engine.h"
#include "support/detect_fix.h"
#include "support/naive.h"

static struct detect_rules *rules;
static struct detect_scratch *scratch;
static struct naive naive;

static int
setup(void **state)
{
	(void)state;
	rules = detect_fix()->rules;
	scratch = detect_fix()->scratch;
	naive_init(&naive, rules);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	naive_free(&naive);
	return 0;
}

/* Names of people and places have tests of their own. */
static bool
is_structured(const char *name)
{
	return strcmp(name, "PERSON") && strcmp(name, "LOCATION") &&
	       strcmp(name, "ORGANIZATION") && strcmp(name, "FACILITY") && strcmp(name, "NRP");
}

/* Writes "ENTITY value|…" in order, and checks that the engine covers the same bytes as the
 * naive scan. */
static void
describe(struct span text, const char *before, struct buf *out)
{
	struct detect_options opt = { .before = span_str(before) };
	struct findings f;
	struct arena a;
	bool missed;

	arena_init(&a, 0, true);
	assert_int_equal(detect_scan(rules, scratch, text, &opt, &a, &f), 0);
	assert_int_equal(naive_differs(&naive, scratch, text, opt.before, &missed), text.n);
	for (size_t i = 0; i < f.n; i++) {
		const char *name = detect_entity_name(rules, f.v[i].entity);
		if (is_structured(name))
			buf_printf(out, "%s %.*s|", name,
				SPAN_ARG(span_cut(text, f.v[i].start, f.v[i].end)));
	}
	arena_reset(&a);
}

struct row {
	const char *name, *text, *before, *want;
};

static void
check_rows(const struct row *rows, size_t n)
{
	bool failed = false;

	for (size_t i = 0; i < n; i++) {
		struct buf got;
		buf_init(&got, 0);
		describe(span_str(rows[i].text), rows[i].before ? rows[i].before : "", &got);
		if (!span_eq(buf_view(&got), span_str(rows[i].want))) {
			print_message("%s:\n  want %s\n  got  %.*s\n", rows[i].name,
				rows[i].want, SPAN_ARG(buf_view(&got)));
			failed = true;
		}
		buf_free(&got);
	}
	assert_false(failed);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

#define FAR                                                                                    \
	"n/a,n/a,n/a\nn/a,n/a,n/a\nn/a,n/a,n/a\nn/a,n/a,n/a\nn/a,n/a,n/a\nn/a,n/a,n/a\n"       \
	"n/a,n/a,n/a\nn/a,n/a,n/a\nn/a,n/a,n/a\n"

static void
label_applies_only_to_the_text_after_it(void **state)
{
	static const struct row rows[] = {
		{ "a laboratory's date before a date of birth",
			"Labs of 01/15/2024, DOB 03/14/1980", "",
			"DATE_TIME 01/15/2024|DATE_OF_BIRTH 03/14/1980|" },
		{ "with a colon", "Collected 01/15/2024. Date of birth: 03/14/1980", "",
			"DATE_TIME 01/15/2024|DATE_OF_BIRTH 03/14/1980|" },
		{ "in German", "Blutabnahme vom 15.01.2024, geb. 14.03.1980", "",
			"DATE_TIME 15.01.2024|DATE_OF_BIRTH 14.03.1980|" },
		{ "after both, what is dated by its own word",
			"DOB: 03/14/1980. Discharged 02/09/2024", "",
			"DATE_OF_BIRTH 03/14/1980|DATE_TIME 02/09/2024|" },
		{ "a word after a value that names nothing else", "03/14/1980 is my birthday",
			"", "DATE_OF_BIRTH 03/14/1980|" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
header_applies_to_its_column(void **state)
{
	static const struct row rows[] = {
		{ "ten bare digits under phone are a phone number",
			"name,phone,city\n" FAR "Ann,2125550143,Rome\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "ten bare digits under order are not, with a phone column beside it",
			"phone,order,city\n" FAR "n/a,2125550143,Rome\n", "", "" },
		{ "an SSN's shape under tracking_number is not one",
			"ssn,tracking_number,city\n" FAR
			"308-63-0237,308-63-0237,Rome\n308-63-0237,455-99-6622,Rome\n",
			"", "US_SSN 308-63-0237|US_SSN 308-63-0237|" },
		{ "an SSN without dashes under SSN is one, the same digits beside it not",
			"id,ssn,batch\n" FAR "455996622,455996622,455996622\n", "",
			"US_SSN 455996622|" },
		{ "semicolons",
			"Name;Telefon;Bestellnummer\nx;y;z\nAnn;2125550143;2125550143\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "tabs", "name\tphone\tversion\nAnn\t2125550143\t2125550143\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "markdown",
			"| name | phone | order |\n|---|---|---|\n"
			"| Ann | 2125550143 | 2125550143 |\n",
			"", "PHONE_NUMBER 2125550143|" },
		{ "as a database prints it",
			" name |   phone    |   order\n"
			"------+------------+------------\n Ann  | 2125550143 | 2125550143\n",
			"", "PHONE_NUMBER 2125550143|" },
		{ "aligned with spaces",
			"NAME   PHONE       TRACKING\n"
			"Ann    2125550143  308-63-0237\nBob    2125550144  308-63-0238\n",
			"", "PHONE_NUMBER 2125550143|PHONE_NUMBER 2125550144|" },
		{ "quoted fields with the separator inside",
			"\"name\",\"phone\",\"order\"\n\"Roe, "
			"Ann\",\"2125550143\",\"2125550144\"\n",
			"", "PHONE_NUMBER 2125550143|" },
		{ "quotes in quotes",
			"name,phone,order\n\"a \"\"b\"\", c\",2125550143,2125550144\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "a table below a sentence with commas",
			"Here, please, is the list, as of today:\nname,phone,order\n"
			"Ann,2125550143,2125550144\n",
			"", "PHONE_NUMBER 2125550143|" },
		{ "carriage returns", "phone,order\r\n2125550143,2125550144\r\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "a value that stands behind its name elsewhere",
			"name,passport_no,order\n" FAR "Ann,XY1234567,XY1234568\n", "",
			"PASSPORT XY1234567|" },
		{ "an account behind many rows",
			"name,account number,amount\n" FAR "Ann,0012345678,0012345679\n", "",
			"US_BANK_NUMBER 0012345678|" },
		{ "a password", "user,password,note\n" FAR "ann,Tr0ub4dor&3x,none\n", "",
			"GENERIC_SECRET Tr0ub4dor&3x|" },
		{ "a database's dump names its columns in a statement",
			"COPY public.people (id, phone, batch, passport_no) FROM stdin;\n"
			"1\t2125550143\t2125550144\tXY1234567\n"
			"2\t\\N\t\\N\t\\N\n2\t\\N\t\\N\t\\N\n2\t\\N\t\\N\t\\N\n"
			"3\t2125550145\t2125550146\tXY1234568\n\\.\n2125550147\tx\ty\tz\n",
			"",
			"PHONE_NUMBER 2125550143|PASSPORT XY1234567|PHONE_NUMBER "
			"2125550145|PASSPORT XY1234568|" },
		{ "an INSERT names the values behind it",
			"INSERT INTO people (id, passport_no, note) VALUES (1, 'XY1234567', "
			"'a, b');\n"
			"insert into people (id, note, username) values\n"
			"  (2, 'it''s (new), isn''t it', 'oneil42'),\n  (3, NULL, "
			"'yvzojn97');\n"
			"(4, NULL, 'rest12')\n",
			"", "PASSPORT XY1234567|USER_NAME oneil42|USER_NAME yvzojn97|" },
		{ "an INSERT in lines, in a program and behind other words",
			"INSERT INTO people (\n  id,\n  \"passport_no\"\n) VALUES (\n  1,\n"
			"  'XY1234567'\n);\n"
			"run: REPLACE INTO `a`.`people` (`note`, `username`) VALUES (now(), "
			"'oneil42')\n"
			"run(\"INSERT IGNORE INTO t (username) \" + \"VALUES (N'yvzojn97')\")\n"
			"INSERT INTO t(note,username)\nOVERRIDING SYSTEM VALUE\nVALUES\n"
			"('it\\'s, b', 'rest12'), (f(a, 'c)'), 'oneil43');\n"
			"put it into a box (username) and see: values ('oneil45')\n",
			"",
			"PASSPORT XY1234567|USER_NAME oneil42|USER_NAME yvzojn97|USER_NAME "
			"rest12|USER_NAME oneil43|" },
		{ "a table of JSON has its names in one list and its rows in another",
			"{\"columns\":[\"id\",\"passport_no\"],\"index\":[0,1],\"data\":[[1,\"XY1234567\"],"
			"[2,null]]}\n{\"columns\":[{\"name\":\"username\",\"type\":\"text\"},{\"name\":\"n\"}],"
			"\"rows\":[[\"oneil42\",1], [\"a, [b\",\"yvzojn96\"],\n [\"yvzojn97\",2]]}",
			"", "PASSPORT XY1234567|USER_NAME oneil42|USER_NAME yvzojn97|" },
		{ "its rows may precede its names, or be objects",
			"{\"rows\":[[\"oneil42\",1],[\"yvzojn97\",2]],\"cols\":[{\"name\":\"username\"},{\"name\":\"n\"}]}\n"
			"{\"rows\":[{\"f\":[{\"v\":\"oneil43\"},{\"v\":\"1\"}]},{\"f\":[{\"v\":null},{\"v\":\"2\"}]},"
			"{\"f\":[{\"v\":\"yvzojn98\"},{\"v\":\"3\"}]}],\"schema\":{\"fields\":[{\"name\":\"username\"},{\"name\":\"n\"}]}}",
			"", "USER_NAME oneil42|USER_NAME yvzojn97|USER_NAME oneil43|USER_NAME yvzojn98|" },
		{ "or in its first row", "[[\"username\", \"n\"],\n [\"oneil42\", 1], [\"yvzojn97\", 2]]", "",
			"USER_NAME oneil42|USER_NAME yvzojn97|" },
		{ "lists of JSON without names are no table",
			"{\"columns\":[1,\"username\"],\"rows\":[[\"oneil42\"]],\"rows\":[[\"yvzojn97\"]]}", "", "" },
		{ "COPY in small letters, indented, and with commas",
			"  copy people (id, username) from stdin;\n1\toneil42\n\\.\n\n"
			"COPY people (id, username) FROM STDIN WITH (FORMAT "
			"csv);\n1,yvzojn97\n",
			"", "USER_NAME oneil42|USER_NAME yvzojn97|" },
		{ "a header's last name does not apply to the next line's first field",
			"id\tbatch\tusername\n8346\t12\tyvzojn97\n", "",
			"USER_NAME yvzojn97|" },
		{ "the last word of a header is what it means",
			"phone order id,order phone\n2125550143,2125550144\n", "",
			"PHONE_NUMBER 2125550144|" },
		{ "an empty line ends a table",
			"phone,order\n" FAR "\nx,2125550143\n2125550144,y\n", "", "" },
		{ "a row of another width has no header",
			"order,phone\n" FAR "2125550143,2125550144,x,y\n", "", "" },
		{ "a sentence is no header",
			"I phone her, when I can.\n2125550143, twice, was in a file.\n", "",
			"PHONE_NUMBER 2125550143|" },
		{ "a first row of data is no header",
			"2125550143,2125550144\n2125550145,2125550146\n", "phones.csv",
			"PHONE_NUMBER 2125550143|PHONE_NUMBER 2125550144|"
			"PHONE_NUMBER 2125550145|PHONE_NUMBER 2125550146|" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
label_applies_to_its_line(void **state)
{
	static const struct row rows[] = {
		{ "a label on the line above does not reach past the value's own",
			"Phone: none\nBatch: 2125550143\n", "", "" },
		{ "nor one on the line below", "Order number: 308-63-0237\nSSN: 455-99-6622\n",
			"", "US_SSN 455-99-6622|" },
		{ "after a meaningless label, the line above applies",
			"Phone\nNo.: 2125550143\n", "", "PHONE_NUMBER 2125550143|" },
		{ "a value alone in its line is named by the one above", "Phone\n2125550143\n",
			"", "PHONE_NUMBER 2125550143|" },
		{ "words behind the value on its line count",
			"Batch: 2125550143 (her mobile)\n", "", "PHONE_NUMBER 2125550143|" },
		{ "a bold label",
			"**Passport:** XN4821937\n**MRN**: 00482913\n__SSN:__ 455996622\n", "",
			"PASSPORT XN4821937|MEDICAL_RECORD 00482913|US_SSN 455996622|" },
		{ "a bold label in HTML", "<p><b>MRN:</b> 00482913</p>", "",
			"MEDICAL_RECORD 00482913|" },
		{ "a label with a class, and its value in another",
			"<span class=\"label\">Passport</span><span "
			"class=\"value\">XN4821937</span>",
			"", "PASSPORT XN4821937|" },
		{ "two cells in two lines",
			"<tr>\n  <td class=\"label\">Patient ID:</td>\n"
			"  <td class=\"value\">8837421</td>\n</tr>",
			"", "MEDICAL_RECORD 8837421|" },
		{ "a heading cell and the cell beside it", "<th>Phone</th><td>2125550143</td>",
			"", "PHONE_NUMBER 2125550143|" },
		{ "a term and its definition", "<dt>Account number</dt>\n<dd>48219375561</dd>",
			"", "US_BANK_NUMBER 48219375561|" },
		{ "a field of a form",
			"<label>Member ID</label>\n<input type=\"text\" "
			"value=\"XQA482193755\">",
			"", "HEALTH_PLAN_ID XQA482193755|" },
		{ "two cells of a table without a header", "| **MRN** | 00482913 |\n", "",
			"MEDICAL_RECORD 00482913|" },
		{ "a cell's own label keeps others off",
			"<p>Phone: none</p>\n<td>Batch</td><td>2125550143</td>", "", "" },
		{ "an age in a cell", "<td>Age</td><td>47</td>", "", "AGE 47|" },
		{ "a license in the form of a telephone number",
			"DL: 212-555-0143, phone: 212-555-0199", "",
			"US_DRIVER_LICENSE 212-555-0143|PHONE_NUMBER 212-555-0199|" },
		{ "a social number in a telephone's shape",
			"Social security number: 212 555 0143", "",
			"NATIONAL_ID 212 555 0143|" },
		{ "a license in the form of a telephone number, in German",
			"Führerscheinnummer: 212-555-0143", "",
			"DRIVER_LICENSE 212-555-0143|" },
		{ "a laboratory's date beside one of birth",
			"DOB: 03/14/1980, labs drawn 01/02/2024\n", "",
			"DATE_OF_BIRTH 03/14/1980|DATE_TIME 01/02/2024|" },
		{ "a date of birth before a laboratory's",
			"DOB 1980-03-14 | Hemoglobin 2024-01-15\n", "",
			"DATE_OF_BIRTH 1980-03-14|DATE_TIME 2024-01-15|" },
		{ "letters beyond ASCII belong to words", "ätel 2125550143", "", "" },
		{ "Cyrillic letters too", "хотел 2125550143", "", "" },
		{ "Chinese words need no spaces", "请打电话2125550143", "",
			"PHONE_NUMBER 2125550143|" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* Tables in pieces that end at a guard page: nothing is read beyond the text. */
static void
cut_table_is_not_read_beyond_its_end(void **state)
{
	static const char text[] = "name,\"phone\",order\n---,---\n\"a \"\"b\",2125550143,1\n"
				   "| a | phone |\n|:-|-|\n| \\| | 2125550143 |\nA   PHONE\n"
				   "b   2125550143\npassport,x\nXY1234567,\"2";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *g = guard_dup(text, n);
		struct findings f;
		struct arena a;
		arena_init(&a, 0, true);
		assert_int_equal(detect_scan(rules, scratch, span_of(g, n), NULL, &a, &f), 0);
		arena_reset(&a);
		guard_free(g, n);
	}
}

/* For any table, work that grows with the square of a megabyte would exceed the test's time
 * limit. */
static void
table_takes_linear_time(void **state)
{
	static const char *const lines[] = { "a,b\n", "12,34567\n", "account,phone,passport\n",
		"1 ,2 ,3 ,4 ,5 ,6 ,7 ,8 ,9 ,212 555 014", "phone,x\n\n7,123456789\n",
		"|7|1234567|\n", "account,1234567\n" };
	enum { LARGE = 1 << 20 };
	char *t = malloc(LARGE);

	(void)state;
	assert_non_null(t);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t n = strlen(lines[i]);
		struct findings f;
		struct arena a;
		for (size_t k = 0; k < LARGE; k++)
			t[k] = lines[i][k % n];
		arena_init(&a, 0, true);
		int err = detect_scan(rules, scratch, span_of(t, LARGE), NULL, &a, &f);
		assert_true(err == 0 || err == ERR_LIMIT);
		arena_reset(&a);
	}
	free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_applies_only_to_the_text_after_it),
		cmocka_unit_test(header_applies_to_its_column),
		cmocka_unit_test(label_applies_to_its_line),
		cmocka_unit_test(cut_table_is_not_read_beyond_its_end),
		cmocka_unit_test(table_takes_linear_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
