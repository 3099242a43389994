/* Validators of identity numbers, tested with numbers from their specifications and with the
 * error that each check digit is designed for. Also the rules' examples, under the fast scan
 * and under a scan that tries everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "scan/detect/engine.h"
#include "scan/detect/validate/check.h"
#include "support/detect_fix.h"

static enum check_result
run(const char *check, struct span text)
{
	const struct check *k = check_find(span_str(check));
	struct check_memo memo = { 0 };

	if (!k)
		fail_msg("no check named %s", check);
	/* one buffer for all, because a million numbers are checked */
	static const char room[256];
	static char *end;
	if (!end)
		end = guard_dup(room, sizeof(room)) + sizeof(room);
	INVARIANT(text.n <= sizeof(room));
	char *copy = memcpy(end - text.n, text.p, text.n);
	struct candidate c = { .text = span_of(copy, text.n),
		.start = 0,
		.end = text.n,
		.score = 0.5f,
		.memo = &memo };
	return check_run(k, &c);
}

/* `strict`: the scheme detects a change of any single digit. */
/* clang-format off */
static const struct {
	const char *check, *text;
	bool strict;
} numbers[] = {
	{ "nl_bsn", "111222333", true },
	{ "be_nrn", "85073003328", false },
	{ "fr_nir", "255081416802538", false },
	{ "fr_spi", "3023217600053", false },
	{ "de_tax", "86095742719", true },
	{ "de_tax", "65929970489", true },
	{ "de_document", "T220001293", true },
	{ "de_document", "C01X00T478", true },
	{ "de_rvnr", "15070649C103", false },
	{ "de_kvnr", "A123456780", true },
	{ "at_svnr", "1237010180", false },
	{ "ch_ahv", "7569217076985", true },
	{ "es_nif", "12345678Z", true },
	{ "es_nif", "X1234567L", true },
	{ "es_nss", "281234567840", false },
	{ "it_fiscal", "RSSMRA85T10A562S", false },
	{ "it_fiscal", "MRTMTT25D09F205Z", false },
	{ "it_vat", "00743110157", true },
	{ "pt_nif", "501964843", false },
	{ "gr_afm", "094259216", false },
	{ "gr_amka", "01013099997", true },
	{ "ie_ppsn", "6433435F", true },
	{ "ie_ppsn", "6433435OA", true },
	{ "lu_nin", "1893120105732", true },
	{ "pl_pesel", "44051401359", false },
	{ "pl_nip", "8567346215", true },
	{ "se_personnummer", "8112289874", true },
	{ "se_personnummer", "198112289874", false },
	{ "fi_hetu", "131052-308T", true },
	{ "no_fnr", "15108695088", true },
	{ "dk_cpr", "2110625629", false },
	{ "is_kennitala", "1201743399", false },
	{ "cz_rodne_cislo", "7103192745", false },
	{ "ro_cnp", "1630615123457", false },
	{ "hu_tax", "8071592153", false },
	{ "hr_oib", "33392005961", true },
	{ "bg_egn", "7523169263", false },
	{ "baltic", "36805280109", false },
	{ "baltic", "33309240064", false },
	{ "lv_pk", "16117519997", false },
	{ "jmbg", "0101006500006", false },
	{ "ru_inn", "500100732259", false },
	{ "ru_snils", "11223344595", false },
	{ "ua_rnokpp", "1759013776", false },
	{ "kz_iin", "880501300184", false },
	{ "uk_nhs", "9434765919", true },
	{ "uk_utr", "1955839661", false },
	{ "vin", "1M8GDM9AXKP042788", false },
	{ "ca_sin", "046454286", true },
	{ "br_cpf", "39053344705", true },
	{ "br_cnpj", "16727230000197", true },
	{ "br_cnpj", "12ABC34501DE35", true },
	{ "mx_curp", "BOXW310820HNERXN09", false },
	{ "mx_rfc", "GODE561231GR8", false },
	{ "ar_cuit", "20055361682", false },
	{ "cl_rut", "125319092", true },
	{ "co_nit", "2131234321", false },
	{ "ec_ci", "1714307103", true },
	{ "uy_ci", "12345672", false },
	{ "in_aadhaar", "234123412346", true },
	{ "in_gstin", "27AAPFU0939F1ZV", false },
	{ "cn_id", "11010519491231002X", true },
	{ "jp_my_number", "123456789018", false },
	{ "kr_rrn", "9710131019901", false },
	{ "tw_id", "A123456789", false },
	{ "hk_id", "A1234563", true },
	{ "hk_id", "G123456A", true },
	{ "sg_nric", "S1234567D", true },
	{ "th_tnin", "7100600445638", false },
	{ "tr_id", "10000000146", true },
	{ "za_id", "7503305044089", true },
	{ "luhn9", "039337423", true },
	{ "sa_id", "1101798278", true },
	{ "ae_id", "784196865703050", true },
	{ "au_tfn", "123456782", false },
	{ "au_abn", "51824753556", true },
	{ "au_acn", "004085616", false },
	{ "au_medicare", "2123456701", false },
	{ "nz_ird", "49091850", false },
	{ "nz_nhi", "ZZZ0016", false },
	{ "nz_nhi", "ZVB97XQ", false },
	{ "us_npi", "1234567893", true },
	{ "us_dea", "AB1234563", false },
	{ "us_aba", "111000025", true },
	{ "imei", "490154203237518", true },
	{ "base58", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", true },
	{ "base58", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", true },
	{ "bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", true },
	{ "bech32", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", true },
	{ "ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", false },
	{ "ethereum", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", false },
};
/* clang-format on */

static void
published_numbers_validate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (run(numbers[i].check, span_str(numbers[i].text)) != CHECK_VALID)
			fail_msg("%s: %s", numbers[i].check, numbers[i].text);
}

/* Of random numbers, most of which contain a date: how many are valid, and how many have the
 * right form, for each row of `numbers` in check_id.c. */
static void
random_numbers_have_the_known_results(void **state)
{
	/* clang-format off */
	static const struct { const char *check; unsigned valid, shape; } want[] = {
		{ "at_svnr", 14, 0 }, { "bg_egn", 49, 0 }, { "baltic", 37, 0 }, { "ch_ahv", 99, 0 },
		{ "dk_cpr", 28, 340 }, { "gr_afm", 225, 0 }, { "gr_amka", 47, 0 }, { "hr_oib", 196, 0 },
		{ "hu_taj", 222, 0 }, { "hu_tax", 16, 0 }, { "is_kennitala", 9, 0 }, { "it_vat", 17, 0 },
		{ "jmbg", 15, 0 }, { "kz_iin", 22, 0 }, { "nl_bsn", 218, 0 }, { "no_fnr", 3, 0 }, { "pl_nip", 209, 0 },
		{ "pl_pesel", 46, 0 }, { "pt_nif", 208, 0 }, { "ro_cnp", 47, 0 }, { "ru_inn", 274, 0 },
		{ "se_personnummer", 50, 0 }, { "ua_rnokpp", 261, 0 }, { "uk_nhs", 249, 0 }, { "ar_cuit", 212, 0 }, { "br_cpf", 27, 0 },
		{ "br_cnpj", 17, 0 }, { "ca_sin", 202, 0 }, { "cl_rut", 525, 0 }, { "co_nit", 493, 0 }, { "ec_ci", 55, 0 }, { "us_aba", 103, 0 }, { "us_ein", 0, 1931 },
		{ "us_itin", 0, 29 }, { "uy_ci", 331, 0 }, { "ae_id", 0, 0 }, { "au_acn", 242, 0 },
		{ "au_medicare", 136, 0 }, { "au_tfn", 196, 0 }, { "eg_id", 0, 39 }, { "id_nik", 0, 0 },
		{ "in_aadhaar", 117, 0 }, { "jp_my_number", 192, 0 }, { "kr_rrn", 53, 411 }, { "my_nric", 0, 343 },
		{ "nz_ird", 343, 0 }, { "sa_id", 32, 0 }, { "th_tnin", 281, 0 }, { "tr_id", 17, 0 }, { "za_id", 21, 0 }, { "imei", 273, 0 },
		{ "luhn9", 215, 0 }, { "luhn10", 273, 0 },
	};
	/* clang-format on */
	size_t row = 0, i = 0;
	const struct check *k;

	(void)state;
	for (const char *last = ""; (k = check_digits_row(i)); last = k->name, i++) {
		unsigned seen[3] = { 0 };
		uint32_t dice = 1;
		if (!strcmp(k->name, last))
			continue;
		assert_string_equal(k->name, want[row].check);
		for (unsigned n = 0; n < 20000; n++) {
			char d[32] = "7569";
			dice = dice * 1664525u + 1013904223u;
			size_t len = 8 + (dice >> 8) % 8, at = (dice >> 12) % 4;
			for (size_t j = n % 4 ? 0 : 3; j < len; j++) {
				dice = dice * 1664525u + 1013904223u;
				d[j] = (char)('0' + (dice >> 16) % 10);
			}
			unsigned m = 1 + n / 7 % 12;
			if (n % 4 > 1) { /* the month is a valid day as well */
				d[at] = d[at + 2] = (char)('0' + m / 10);
				d[at + 1] = d[at + 3] = (char)('0' + m % 10);
			}
			d[len] = 0;
			seen[run(k->name, span_str(d))]++;
		}
		assert_int_equal(seen[CHECK_VALID], want[row].valid);
		assert_int_equal(seen[CHECK_SHAPE], want[row].shape);
		row++;
	}
	assert_int_equal(row, sizeof(want) / sizeof(want[0]));
}

static void
change_of_one_digit_is_detected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct span t = span_str(numbers[i].text);
		size_t valid = 0, tried = 0;
		char copy[80];
		for (size_t at = 0; at < t.n; at++)
			for (char d = '0'; is_digit(t.p[at]) && d <= '9'; d++) {
				/* the 1 that ends a bech32 prefix, and 0x */
				if (d == t.p[at] || at < 3)
					continue;
				memcpy(copy, t.p, t.n);
				copy[at] = d;
				tried++;
				valid += run(numbers[i].check, span_of(copy, t.n)) ==
					 CHECK_VALID;
			}
		assert_true(tried > 0);
		if (numbers[i].strict ? valid > 0 : valid * 4 > tried)
			fail_msg("%s: %s: %zu of %zu changes pass", numbers[i].check,
				numbers[i].text, valid, tried);
	}
}

static void
validator_reads_only_its_candidate(void **state)
{
	static const char *const texts[] = { "0", "1", "00000000000000000", "A",
		"AAAAAAAAAAAAAAAAA", "99-99-99", "1234567890123456789012345678901234567890",
		"-", "a1", "1a", "ZZ99ZZ99Z", "0x0000000000000000000000000000000000000000",
		"31/12/99", "\xff\xff\xff" };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		run(numbers[i].check, span_str(numbers[i].text));
	/* Most validators get only texts that a pattern admits; these get any text. */
	static const char *const free_form[] = { "named", "mrn", "id_text", "plate", "mac",
		"date", "base58", "bech32", "bic", "nl_bsn", "it_vat", "luhn9", "mx_rfc" };
	for (size_t k = 0; k < sizeof(free_form) / sizeof(free_form[0]); k++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			run(free_form[k], span_str(texts[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_numbers_validate),
		cmocka_unit_test(random_numbers_have_the_known_results),
		cmocka_unit_test(change_of_one_digit_is_detected),
		cmocka_unit_test(validator_reads_only_its_candidate),
	};
	return cmocka_run_group_tests_name("detect_ids", tests, detect_setup, NULL);
}
