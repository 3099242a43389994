/* Values that OCR wrote wrongly, and texts that only look like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "gate/files/ocr_text.h"

struct row {
	const char *name, *text;
	const char *want; /* "": nothing is corrected */
};

/* clang-format off */
static const struct row rows[] = {
	{ "an O in place of a digit of an IBAN", "iban: NLO6FUWE6282598958", "iban: NL06FUWE6282598958\n" },
	{ "an @ in place of a digit", "IBAN ES@8 9425 1451 1130 4899 0137 x", "IBAN ES0894251451113048990137\n" },
	{ "an 0 in place of a letter of the bank", "{ iban: \"GB240AAR36279106429967\" }", "{ iban: \"GB24OAAR36279106429967\n" },
	{ "a 6 in place of a 0 with a stroke", "iban: CH62 6608 1558 1579 1154 3", "iban: CH6206081558157911543\n" },
	{ "one shape that was read as J and I", "IBAN FR129506925081AG8DT603HIJ893", "" },
	{ "a space between the country and the digits", "DE 89370400440532013000", "DE89370400440532013000\n" },
	{ "an IBAN without a mistake", "DE89 3704 0044 0532 0130 00", "" },
	{ "an IBAN whose checksum nothing corrects", "DE89 3704 0144 0532 0130 01", "" },
	{ "a text in capitals that begins like an IBAN", "DESCRIPTION OF THE PRODUCT LINES", "" },
	{ "an IBAN that is too short", "DE89 3704 0044 0532 0130 0", "" },
	{ "a T in place of the I of AKIA, a 0 for an O", "KEY_ID=AKTAQE260NIXRRGDULWF", "KEY_ID=AKIAQE26ONIXRRGDULWF\n" },
	{ "a space inside of an AWS key", "KEY_ID=AKIAEQH5XPKAL JS4K62C", "KEY_ID=AKIAEQH5XPKALJS4K62C\n" },
	{ "one shape that was read as I and J", "key=AKIAE4K573G5ZRIJLMICH region", "key=AKIAE4K573G5ZRJLMICH\n" },
	{ "one shape that was read as 5 and S", "\"AKIA7K20CDRRGHPBNS5UE\",", "\"AKIA7K2OCDRRGHPBN5UE\n" },
	{ "an AWS key without a mistake", "key=AKIAE4K573G5ZRJLMICH", "" },
	{ "a headline that begins like an AWS key", "ASIAPACIFICREGIONALMEETING", "" },
	{ "a word and the first letters of the next", "ASIA PACIFIC REGIONAL SALES 2024", "" },
	{ "a key of GitHub with a space inside", "t ghp_aaB3cD4eF5gH6iJ7kL8m N9oP0qR1sT2uV3wX", "t ghp_aaB3cD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX\n" },
	{ "spaces beside the punctuation of a URL", "URL=redis: //admin: 79paeRapJFOT@db1. internal.northwind.io:27017/b", "URL=redis://admin:79paeRapJFOT@db1.internal.northwind.io:27017\n" },
	{ "a space inside of a password", "redis://app: 8zVyM1j Jw11A@db1.acme.com:27017/o", "redis://app:8zVyM1jJw11A@db1.acme.com:27017\n" },
	{ "a URL without a password", "see redis: //cache. internal:6379 for bob@acme.com", "" },
	{ "a page and an address", "see https://acme.com:80 or bob@acme.com", "" },
	{ "a URL without a mistake", "redis://app:8zVyM1jJw11A@db1.acme.com:27017/o", "" },
	{ "a space before the last part of an address", "- jonas_schmidt@northwind. io", "- jonas_schmidt@northwind.io\n" },
	{ "a space after the @", "bob@ example.com", "bob@example.com\n" },
	{ "an address at the end of a sentence", "write to bob@example.com. we answer", "" },
	{ "an address before a sentence", "write to bob@example. We answer", "" },
	{ "two values in one line", "CHO6 2792 2068 7956 7644 5, bob@ acme.com", "CH0627922068795676445\n, bob@acme.com\n" },
	{ "values in two lines", "iban: NLO6FUWE6282598958\n\nbob@ acme.com", "iban: NL06FUWE6282598958\nbob@acme.com\n" },
};
/* clang-format on */

static void
typical_mistakes_are_corrected(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_BUF(out, 0);
		ocr_text_correct(span_str(rows[i].text), &out);
		if (span_is(buf_view(&out), rows[i].want))
			continue;
		wrong++;
		print_error("%s: \"%.*s\"\n", rows[i].name, SPAN_ARG(buf_view(&out)));
	}
	assert_int_equal(wrong, 0);
}

/* Every text ends somewhere, so each row is cut at every offset; ASan sees a read beyond it. */
static void
no_byte_behind_a_text_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t n = strlen(rows[i].text); n-- > 0;) {
			SCOPED_BUF(out, 0);
			char *cut = malloc(n + 1);
			assert_non_null(cut);
			memcpy(cut, rows[i].text, n);
			cut = realloc(cut, n ? n : 1);
			ocr_text_correct(span_of(cut, n), &out);
			assert_false(buf_failed(&out));
			free(cut);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typical_mistakes_are_corrected),
		cmocka_unit_test(no_byte_behind_a_text_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
