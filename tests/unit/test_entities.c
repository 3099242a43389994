/* The graph of entities: a general entity contains the special ones below it (`is` in rule
 * files). A policy that names only the general entity must find every example of the special
 * ones, whichever entity wins where both match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "policy/rule.h"
#include "scan/detect/rules/rule.h"
#include "support/policy_fix.h"

static bool
is_member(const uint64_t *set, size_t e)
{
	return set[e / 64] >> (e % 64) & 1;
}

/* Returns true if a search for some entities finds the value of an example, and if the entity
 * of each finding in the value is a member of the set. */
static bool
example_found(const struct example *x, const struct detect_used *used, const uint64_t *set)
{
	struct detect_options opt = { .before = x->before, .used = used };
	struct findings f;
	size_t n = 0;

	if (detect_fix_scan(detect_fix(), x->text, &opt, &f))
		return false;
	for (size_t i = 0; i < f.n; i++) {
		struct span value = span_cut(x->text, f.v[i].start, f.v[i].end);
		if (!memmem(value.p, value.n, x->find.p, x->find.n))
			continue;
		if (!is_member(set, f.v[i].entity))
			return false;
		n++;
	}
	return n > 0;
}

/* Counts the examples of some entities that a search for the entities of `set` misses, and
 * prints each. */
static unsigned
missed(const char *by, const uint64_t *entities, const uint64_t *set)
{
	const struct detect_rules *r = detect_fix()->rules;
	struct detect_used *used = detect_used_new(r, set, NULL);
	unsigned n = 0;

	assert_non_null(used);
	for (size_t k = 0; k < r->nentities; k++) {
		const struct entity_rule *e = &r->entities[k];
		for (size_t i = 0; is_member(entities, k) && i < e->nexamples; i++)
			if (e->examples[i].find.p &&
				!example_found(&e->examples[i], used, set)) {
				fprintf(stderr, "%s misses %s in: %.*s\n", by, e->name,
					SPAN_ARG(e->examples[i].text));
				n++;
			}
	}
	detect_used_free(&used);
	arena_reset(&detect_fix()->arena);
	return n;
}

static void
a_general_entity_finds_every_example_of_the_special_ones(void **state)
{
	const struct detect_rules *r = detect_fix()->rules;
	size_t pairs = 0;
	unsigned bad = 0;

	(void)state;
	for (size_t general = 0; general < r->nentities; general++) {
		uint64_t below[DETECT_ENTITIES_MAX / 64] = { 0 };
		detect_entity_below(r, general, below);
		size_t members = 0;
		for (size_t e = 0; e < r->nentities; e++)
			members += e != general && is_member(below, e);
		if (members)
			bad += missed(r->entities[general].name, below, below);
		pairs += members;
	}
	assert_true(pairs > 250);
	assert_int_equal(bad, 0);
}

static void
above_and_below_are_the_same_graph(void **state)
{
	const struct detect_rules *r = detect_fix()->rules;

	(void)state;
	for (size_t a = 0; a < r->nentities; a++) {
		uint64_t below[DETECT_ENTITIES_MAX / 64] = { 0 };
		detect_entity_below(r, a, below);
		for (size_t b = 0; b < r->nentities; b++) {
			uint64_t above[DETECT_ENTITIES_MAX / 64] = { 0 };
			detect_entity_above(r, b, above);
			assert_int_equal(is_member(above, a), is_member(below, b));
		}
	}
}

/* Every entity of the class `secret` is a GENERIC_SECRET, so that a list with that name leaves
 * no secret out. */
static void
every_secret_is_a_generic_secret(void **state)
{
	const struct detect_rules *r = detect_fix()->rules;
	uint64_t below[DETECT_ENTITIES_MAX / 64] = { 0 };

	(void)state;
	detect_entity_below(
		r, (size_t)detect_entity_find(r, SPAN_LIT("GENERIC_SECRET")), below);
	for (size_t e = 0; e < r->nentities; e++)
		if (!strcmp(r->entities[e].class, "secret") && !is_member(below, e))
			fail_msg("%s is no GENERIC_SECRET", r->entities[e].name);
}

/* The entities that some rule on requests replaces. */
static struct entity_set
replaced_by(const struct policy *p)
{
	struct entity_set all = { { 0 } };

	for (size_t i = 0; i < p->nall_rules; i++)
		if (p->rules[i].phase == PHASE_REQUEST)
			entities_join(&all, &p->rules[i].redact);
	return all;
}

/* Health numbers are replaced only by policies whose purpose includes them. gdpr-eu.yaml denies
 * them to callers without a role. */
static void
shipped_policies_replace_identity_numbers_of_all_countries(void **state)
{
	static const struct {
		const char *policy;
		bool health;
	} rows[] = { { "default", true }, { "hipaa", true }, { "gdpr-eu", false },
		{ "coding-agents", false }, { "agents-mcp", false }, { "budgets", false } };
	static const char *const general[] = { "NATIONAL_ID", "TAX_ID", "PASSPORT",
		"DRIVER_LICENSE", "HEALTH_PLAN_ID", "MEDICAL_RECORD" };
	const struct detect_rules *r = detect_fix()->rules;
	uint64_t numbers[DETECT_ENTITIES_MAX / 64] = { 0 };
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(general) / sizeof(*general); i++)
		detect_entity_below(
			r, (size_t)detect_entity_find(r, span_str(general[i])), numbers);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char path[64];
		struct policy_fix f;
		snprintf(path, sizeof(path), "policies/%s.yaml", rows[i].policy);
		const struct policy *p = fix_load_file(&f, NULL, path);
		assert_non_null(p);
		struct entity_set set = replaced_by(p);
		uint64_t demanded[DETECT_ENTITIES_MAX / 64] = { 0 };
		for (size_t e = 0; e < r->nentities; e++)
			if (is_member(numbers, e) &&
				(rows[i].health || strcmp(r->entities[e].class, "phi")))
				demanded[e / 64] |= (uint64_t)1 << (e % 64);
		bad += missed(rows[i].policy, demanded, set.bit);
		fix_done(&f);
	}
	assert_int_equal(bad, 0);
}

/* The text before a label, between the label and its value, and after the value, as a form, a
 * sentence or a file has them. */
struct label_form {
	const char *before, *between, *after;
};

/* Returns true if a search for the set finds the value behind the label in each form. */
static bool
is_found_behind(const char *entity, const char *label, const struct label_form *form,
	struct span value, const struct detect_used *used, const uint64_t *set)
{
	bool all = true;

	for (; form->before; form++) {
		char text[256];
		int n = snprintf(text, sizeof(text), "%s%s%s%.*s%s", form->before, label,
			form->between, SPAN_ARG(value), form->after);
		struct example x = { .text = span_of(text, (size_t)n), .find = value };
		if (example_found(&x, used, set))
			continue;
		fprintf(stderr, "missed, %s: %s\n", entity, text);
		all = false;
	}
	return all;
}

static bool
is_found_behind_labels(const struct entity_rule *e, struct span value,
	const struct detect_used *used, const uint64_t *set)
{
	static const struct label_form forms[] = { { "", "National ID: ", "\n" },
		{ "", "national_id=", "" }, { "", "{\"national_id\": \"", "\"}" },
		{ "", "My national identity number is ", "." }, { NULL, NULL, NULL } };

	return is_found_behind(e->name, "", forms, value, used, set);
}

/* Returns true if the value contains a lower-case letter. A label that does not name the
 * country finds values in capital letters only. */
static bool
has_lower(struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (is_lower(value.p[i]))
			return true;
	return false;
}

/* The identity numbers of people have a label that does not name the country. */
static void
shipped_policies_replace_labelled_ids_of_thirty_countries(void **state)
{
	static const char *const policies[] = { "default", "hipaa", "gdpr-eu", "coding-agents",
		"agents-mcp", "budgets" };
	const struct detect_rules *r = detect_fix()->rules;
	uint64_t below[DETECT_ENTITIES_MAX / 64] = { 0 };
	bool country[26 * 26];
	unsigned bad = 0;

	(void)state;
	detect_entity_below(r, (size_t)detect_entity_find(r, SPAN_LIT("NATIONAL_ID")), below);
	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		char path[64];
		struct policy_fix f;
		size_t countries = 0;
		snprintf(path, sizeof(path), "policies/%s.yaml", policies[i]);
		const struct policy *p = fix_load_file(&f, NULL, path);
		assert_non_null(p);
		struct entity_set set = replaced_by(p);
		struct detect_used *used = detect_used_new(r, set.bit, NULL);
		memset(country, 0, sizeof(country));
		for (size_t e = 0; e < r->nentities; e++) {
			const struct entity_rule *er = &r->entities[e];
			if (!is_member(below, e) || er->name[2] != '_')
				continue;
			for (size_t x = 0; x < er->nexamples; x++)
				if (er->examples[x].find.p && !has_lower(er->examples[x].find))
					bad += !is_found_behind_labels(
						er, er->examples[x].find, used, set.bit);
			bool *seen = &country[(er->name[0] - 'A') * 26 + er->name[1] - 'A'];
			countries += !*seen;
			*seen = true;
		}
		if (countries < 30)
			fail_msg("%zu countries", countries);
		detect_used_free(&used);
		fix_done(&f);
	}
	assert_int_equal(bad, 0);
}

/* The labels in tests/data/id_labels.txt name the number in the language of its country. */
static void
shipped_policies_replace_ids_behind_labels_of_each_country(void **state)
{
	static const char *const policies[] = { "default", "hipaa", "gdpr-eu", "coding-agents",
		"agents-mcp", "budgets" };
	static const struct label_form forms[] = { { "", ": ", "\n" }, { "{\"", "\": \"", "\"}" },
		{ "", " ", "" }, { "Name;", ";City\nBob;", ";Bern\n" }, { "- **", "**: ", "\n" },
		{ "| ", " | ", " |\n" }, { NULL, NULL, NULL } };
	const struct detect_rules *r = detect_fix()->rules;
	unsigned bad = 0, rows = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		char path[64], line[256];
		struct policy_fix f;
		snprintf(path, sizeof(path), "policies/%s.yaml", policies[i]);
		const struct policy *p = fix_load_file(&f, NULL, path);
		assert_non_null(p);
		struct entity_set set = replaced_by(p);
		struct detect_used *used = detect_used_new(r, set.bit, NULL);
		FILE *list = fopen("tests/data/id_labels.txt", "r");
		assert_non_null(list);
		while (fgets(line, sizeof(line), list)) {
			char *label = strchr(line, '|'), *value = label ? strchr(label + 1, '|') : NULL;
			if (*line == '#' || !value)
				continue;
			*label++ = *value++ = '\0';
			value[strcspn(value, "\n")] = '\0';
			int e = detect_entity_find(r, span_str(line));
			const struct entity_rule *er = e < 0 ? NULL : &r->entities[e];
			struct span given = span_str(value);
			for (size_t x = 0; er && !given.n && x < er->nexamples; x++)
				given = er->examples[x].find.p ? er->examples[x].find : given;
			assert_true(given.n > 0);
			rows++;
			/* health numbers are not replaced by policies for other purposes */
			if (!er || strcmp(er->class, "phi") || !strcmp(policies[i], "hipaa"))
				bad += !is_found_behind(line, label, forms, given, used, set.bit);
		}
		fclose(list);
		detect_used_free(&used);
		fix_done(&f);
		arena_reset(&detect_fix()->arena);
	}
	assert_true(rows > 600);
	assert_int_equal(bad, 0);
}

enum { LISTED = 35 /* members that a row of the page lists; of more, it has the number */ };

/* Reads one file whole. */
static char *
page_read(const char *path)
{
	static char text[256 << 10];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* Writes the row of a general entity as the page has it: its direct members, or, if they are
 * many, their number. Returns false if the entity has none. */
static bool
row_of(const struct detect_rules *r, size_t general, char *row, size_t size)
{
	const char *name = r->entities[general].name;
	char list[4096];
	size_t members = 0, n = 0;

	for (size_t e = 0; e < r->nentities; e++)
		for (size_t i = 0; i < r->entities[e].nis; i++)
			if (r->entities[e].is[i] == general)
				n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
					members++ ? ", " : "", r->entities[e].name);
	if (members <= LISTED)
		snprintf(row, size, "\n| %s | `%s` |\n", name, list);
	else
		snprintf(row, size, "\n| %s | %zu entities: `tollgate detectors show %s` |\n",
			name, members, name);
	return members > 0;
}

static void
the_page_has_the_same_graph(void **state)
{
	const struct detect_rules *r = detect_fix()->rules;
	const char *page = page_read("docs/detectors.md");
	char row[8192];

	(void)state;
	for (size_t g = 0; g < r->nentities; g++)
		if (strcmp(r->entities[g].name, "GENERIC_SECRET") &&
			row_of(r, g, row, sizeof(row)) && !strstr(page, row))
			fail_msg("docs/detectors.md lacks the row%s", row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_general_entity_finds_every_example_of_the_special_ones),
		cmocka_unit_test(above_and_below_are_the_same_graph),
		cmocka_unit_test(every_secret_is_a_generic_secret),
		cmocka_unit_test(shipped_policies_replace_identity_numbers_of_all_countries),
		cmocka_unit_test(shipped_policies_replace_labelled_ids_of_thirty_countries),
		cmocka_unit_test(shipped_policies_replace_ids_behind_labels_of_each_country),
		cmocka_unit_test(the_page_has_the_same_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
