/* tollgate prices import: imports public lists into a price list. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/replace.h"
#include "base/span.h"
#include "support/run_cmd.h"

static const char *
get(const char *name)
{
	static char text[8192];
	FILE *f = fopen(path(name), "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static int
import(const char *list, bool write)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s", path(list));
	snprintf(to, sizeof(to), "%s", path("prices.yaml"));
	return tollgate("", "prices", "import", from, "--into", to, "--source", "a list",
		write ? "--write" : NULL, NULL);
}

#define GENAI                                                                                  \
	"[{\"id\":\"anthropic\",\"models\":["                                                  \
	"{\"id\":\"claude-opus-7\",\"match\":{\"or\":[{\"starts_with\":\"claude-opus-7\"},"    \
	"{\"starts_with\":\"claude-opus-7@\"},{\"equals\":\"opus-seven\"},{\"contains\":"      \
	"\"op\"}]},"                                                                           \
	"\"prices\":[{\"prices\":{\"input_mtok\":{\"base\":3,\"tiers\":[{\"start\":200000,"    \
	"\"price\":6}]},\"output_mtok\":15,\"cache_read_mtok\":0.075,\"web_searches_kcount\":" \
	"10}},"                                                                                \
	"{\"constraint\":{\"type\":\"start_date\",\"start_date\":\"2026-03-13\"},"             \
	"\"prices\":{\"input_mtok\":2,\"output_mtok\":9}}]},"                                  \
	"{\"id\":\"mine\",\"match\":{\"equals\":\"mine\"},\"prices\":{\"input_mtok\":1,"       \
	"\"output_mtok\":1}},"                                                                 \
	"{\"id\":\"by-page\",\"match\":{\"equals\":\"by-page\"},\"prices\":{\"input_document_" \
	"kpages\":1}}]},"                                                                      \
	"{\"id\":\"cohere\",\"models\":[{\"id\":\"embed-9\",\"match\":{\"equals\":\"embed-"    \
	"9\"},"                                                                                \
	"\"prices\":{\"input_mtok\":PRICE}}]}]"
#define OWN                                                                                    \
	"# mine\nprices: 1\nproviders:\n  anthropic: # ours\n    - {model: mine, input: 5, "   \
	"output: 5}\n\n"                                                                       \
	"  # next\n  openai:\n    - {model: \"gpt-4o*\", input: 1, output: 2}\n"

static void
rows_are_imported_and_own_rows_are_kept(void **state)
{
	char list[4096] = GENAI, *price = strstr(list, "PRICE");

	(void)state;
	memcpy(price, "0.120", 5);
	put("a.json", list);
	put("prices.yaml", OWN);
	assert_int_equal(import("a.json", false), 0);
	assert_string_equal(get("prices.yaml"), OWN);
	assert_non_null(strstr(cmd_err, "nothing is written without --write"));
	assert_non_null(strstr(cmd_out, "= anthropic mine: your row has input: 5, output: 5, "
					"the list has input: 1, output: "
					"1\n"));
	assert_non_null(strstr(cmd_err, "3 rows, new: 3, changed: 0; removed rows of an "
					"earlier import: 0; names that your own rows have: 1; "
					"left out: 1;"));
	assert_non_null(
		strstr(cmd_out, "+ cohere: {model: \"embed-9\", input: 0.12, output: 0}"));
	assert_non_null(
		strstr(cmd_out, "? anthropic by-page: the list does not price it by tokens"));
	assert_int_equal(import("a.json", true), 0);
	const char *now = get("prices.yaml");
	static const char *const wanted[] = { "# Imported rows: from a list, 20",
		"# mine\nprices: 1\n",
		"  anthropic: # ours\n    - {model: mine, input: 5, output: 5}\n",
		("    - {model: [\"claude-opus-7\", \"opus-seven\"], input: 3, cached: 0.075, "
		 "output: "
		 "15, search: 0.01, tiers: [{over: 200000, input: 6, cached: 0.075, output: "
		 "15}]} # "
		 "imported\n"),
		"\"opus-seven\"], from: 2026-03-13, input: 2, output: 9} # imported\n",
		"  openai:\n    - {model: \"gpt-4o*\", input: 1, output: 2}\n",
		"  cohere: # imported\n    - {model: \"embed-9\", input: 0.12, output: 0} # "
		"imported\n" };
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (!strstr(now, wanted[i]))
			fail_msg("%s is not in\n%s", wanted[i], now);
	assert_null(strstr(now, "\"mine\""));
	/* a second import changes nothing; a new price changes only its row */
	assert_int_equal(import("a.json", true), 0);
	assert_null(strstr(cmd_out, "+ "));
	memcpy(price, "0.150", 5);
	put("a.json", list);
	assert_int_equal(import("a.json", true), 0);
	assert_non_null(
		strstr(cmd_out, "- cohere: {model: \"embed-9\", input: 0.12, output: 0}"));
	assert_non_null(
		strstr(cmd_out, "+ cohere: {model: \"embed-9\", input: 0.15, output: 0}"));
	assert_null(strstr(cmd_out, "claude"));
	assert_null(strstr(get("prices.yaml"), "0.12,"));
	assert_non_null(strstr(
		cmd_err, "3 rows, new: 0, changed: 1; removed rows of an earlier import: 0;"));
	/* rows that a later list lacks are removed */
	put("e.json", "{\"n\":{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1}}");
	assert_int_equal(import("e.json", false), 0);
	assert_non_null(strstr(
		cmd_err, "1 row, new: 1, changed: 0; removed rows of an earlier import: 3;"));
}

static void
litellms_list_is_imported(void **state)
{
	(void)state;
	put("prices.yaml", OWN);
	put("b.json",
		"{\"sample_spec\":{\"litellm_provider\":\"openai\",\"input_cost_per_token\":0},"
		"\"gpt-4o-mini\":{\"litellm_provider\":\"openai\",\"input_cost_per_token\":1},"
		"\"gemini/"
		"gemini-9\":{\"litellm_provider\":\"gemini\",\"input_cost_per_token\":1.25e-06,"
		"\"output_cost_per_token\":1e-05,\"cache_read_input_token_cost\":7.5e-08,"
		"\"input_cost_per_token_batches\":6.25e-07,"
		"\"input_cost_per_token_above_200k_tokens\":2.5e-06,"
		"\"output_cost_per_token_above_200k_tokens\":1.5e-05},"
		"\"whisper-9\":{\"litellm_provider\":\"gemini\",\"input_cost_per_second\":0."
		"0001},"
		"\"tts-9\":{\"litellm_provider\":\"gemini\",\"input_cost_per_character\":1.5e-"
		"05},"
		"\"x\":{\"litellm_provider\":\"nobody\",\"input_cost_per_token\":1}}");
	assert_int_equal(import("b.json", true), 0);
	assert_non_null(
		strstr(get("prices.yaml"), "  gemini: # imported\n    - {model: \"gemini-9\", "
					   "input: 1.25, cached: 0.075, output: 10, batch: "
					   "50%, tiers: [{over: 200000, input: 2.5, cached: "
					   "0.075, output: 15}]} # imported\n"));
	assert_non_null(strstr(get("prices.yaml"),
		"{model: \"whisper-9\", input: 0, output: 0, second: 0.0001}"));
	assert_non_null(strstr(get("prices.yaml"),
		"{model: \"tts-9\", input: 0, output: 0, character: 0.000015}"));
	assert_null(strstr(get("prices.yaml"), "gpt-4o-mini"));
}

static void
new_file_is_created_and_can_be_read(void **state)
{
	(void)state;
	unlink(path("prices.yaml"));
	put("d.json",
		"[{\"id\":\"openai\",\"models\":[{\"id\":\"m-1\",\"prices\":{\"input_mtok\":1,"
		"\"output_mtok\":2}}]}]");
	assert_int_equal(import("d.json", true), 0);
	assert_non_null(strstr(cmd_out, "+ openai: {model: \"m-1\", input: 1, output: 2}"));
	assert_int_equal(import("d.json", true), 0);
	assert_string_equal(cmd_out, "");
}

static void
invalid_list_changes_nothing(void **state)
{
	static const struct {
		const char *list, *says;
	} rows[] = { { "[", "]" }, { "3", "expected" }, { "\"x\"", "expected" },
		{ "[{\"id\":\"openai\",\"models\":[{\"id\":\"m\",\"prices\":{\"input_mtok\":-1,"
		  "\"output_mtok\":1}}]}]",
			"the result would not be a valid price list" },
		{ "[{\"id\":\"openai\",\"models\":[{\"id\":\"m\",\"prices\":{\"input_mtok\":"
		  "9e9,"
		  "\"output_mtok\":1}}]}]",
			"the result would not be a valid price list" },
		{ "[]", "the list has no row that can be imported (0 left out)" },
		{ "{}", "no row that can be imported" },
		{ "{\"message\":\"Not Found\"}", "no row that can be imported" },
		{ "[{\"id\":\"openai\",\"models\":[{\"id\":\"m\",\"prices\":{}}]}]",
			"no row that can be imported" } };

	(void)state;
	put("prices.yaml", OWN);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		put("c.json", rows[i].list);
		assert_int_equal(import("c.json", true), 2);
		assert_string_equal(get("prices.yaml"), OWN);
		if (!strstr(cmd_err, rows[i].says))
			fail_msg("%s: %s", rows[i].list, cmd_err);
		assert_int_equal(access(path("prices.yaml" REPLACE_SUFFIX), F_OK), -1);
	}
	assert_int_equal(import("nothing.json", true), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_imported_and_own_rows_are_kept),
		cmocka_unit_test(litellms_list_is_imported),
		cmocka_unit_test(new_file_is_created_and_can_be_read),
		cmocka_unit_test(invalid_list_changes_nothing),
	};
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
