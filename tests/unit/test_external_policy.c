/* detectors.external in a policy: the compiled settings, and that every error is refused with
 * its position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/policy_fix.h"

#include "policy/external.h"
#include "policy/rule.h"
#include "scan/recognizer/recognizer.h"
#include "scan/text/body.h"

#define H POLICY_HEAD
#define E H "detectors:\n  external:\n    - {"
#define U "name: ner, url: 'http://h/a', "

static const struct row {
	const char *name, *in, *want;
} rows[] = {
	{ "no list", H "detectors: {external: {}}\n", ":5:23: external: a list is expected" },
	{ "no name", E "url: 'http://h/', entities: [PERSON]}\n", ":7:7: name is missing" },
	{ "no url", E "name: ner, entities: [PERSON]}\n", ":7:7: url is missing" },
	{ "no entities", E "name: ner, url: 'http://h/'}\n", ":7:7: entities is missing" },
	{ "another scheme", E "name: n, url: 'ftp://h/', entities: [PERSON]}\n",
		":7:22: url: it must begin with http://, https:// or unix:/" },
	{ "a password", E "name: n, url: 'http://a:b@h/', entities: [PERSON]}\n",
		":7:22: url: the URL must not contain a user or password" },
	{ "an unknown key", E U "entities: [PERSON], time: 1s}\n",
		":7:58: time: unknown key; accepted: name, url, shape" },
	{ "a misspelt key", E U "entities: [PERSON], timeot: 1s}\n",
		":7:58: timeot: unknown key, did you mean timeout?" },
	{ "a shape that is none", E U "entities: [PERSON], shape: presido}\n",
		":7:65: shape: one of presidio, json, openai_moderation is expected, found "
		"presido" },
	{ "a name given twice", E U "entities: [PERSON]}\n    - {" U "entities: [PERSON]}\n",
		":8:14: name: ner is already used, at t.yaml:7:7" },
	{ "an entity in lower case", E U "entities: [Person]}\n",
		":7:49: Person: the name of an entity is at most 63 upper case letters, digits "
		"and _" },
	{ "a map without names", E U "map: [PER]}\n",
		":7:43: map: names of the recognizer, each with an entity, are expected, found "
		"a list" },
	{ "a map to no entity", E U "map: {PER: {}}}\n",
		":7:49: map: the name of an entity is expected, found a mapping" },
	{ "a map to what is not asked for", E U "entities: [PERSON], map: {LOC: LOCATION}}\n",
		":7:69: map: LOCATION is not one of the entities" },
	{ "a threshold over one", E U "entities: [PERSON], score_threshold: 2}\n",
		":7:75: score_threshold: a score from 0.0 to 1.0 is expected, found 2" },
	{ "no time at all", E U "entities: [PERSON], timeout: 0ms}\n", ":7:67: timeout: " },
	{ "a time without unit", E U "entities: [PERSON], timeout: 80}\n", ":7:67: timeout: " },
	{ "no calls at all", E U "entities: [PERSON], concurrency: 0}\n",
		":7:71: concurrency: a whole number from 1 to 256 is expected, found 0" },
	{ "a call too small", E U "entities: [PERSON], max_bytes: 1}\n", ":7:69: max_bytes: " },
	{ "an outcome that is none", E U "entities: [PERSON], on_failure: allow}\n",
		":7:70: on_failure: one of deny, permit, redact is expected, found allow" },
	{ "a role that is none", E U "entities: [PERSON], roles: [user, tool_resultt]}\n",
		":7:72: roles: no such role: tool_resultt, did you mean tool_result?" },
	{ "a condition that does not compile",
		E U "entities: [PERSON], when: 'route.nam == 1'}\n", ":7:65: when: " },
	{ "a condition on what it answers itself is fine, on nonsense not",
		E U "entities: [PERSON], when: 'nonsense'}\n", ":7:65: when: " },
	{ "a cache that is none", E U "entities: [PERSON], cache: {entry: 5}}\n",
		":7:66: entry: unknown key; accepted: entries, ttl" },
	{ "a breaker that is none", E U "entities: [PERSON], breaker: {failures: 0}}\n",
		":7:78: failures: a whole number from 1 to 1000" },
	{ "a header that frames", E U "entities: [PERSON], headers: {Content-Length: 5}}\n",
		":7:68: headers: Content-Length cannot be set" },
	{ "a credential in the policy",
		E U "entities: [PERSON], headers: {Authorization: x}}\n",
		":7:68: headers: Authorization cannot be set" },
	{ "a header of two lines", E U "entities: [PERSON], headers: {X: \"a\\nb\"}}\n",
		":7:71: X: one printable line is expected" },
	{ "a missing token file", E U "entities: [PERSON], token_file: /nonexistent}\n",
		":7:70: token_file: /nonexistent: cannot be read" },
	{ "a missing certificate file", E U "entities: [PERSON], ca_file: /nonexistent}\n",
		":7:67: ca_file: /nonexistent: cannot be read" },
	{ "a template for another shape", E U "entities: [PERSON], request: '{\"x\":$text}'}\n",
		":7:58: request: is for shape: json only" },
	{ "a language for another shape",
		E U "shape: json, map: {toxic: TOXIC}, language: en}\n",
		":7:72: language: is for shape: presidio only" },
	{ "a template without text", E U "shape: json, map: {toxic: TOXIC}, request: '{}'}\n",
		":7:81: request: $text or $texts is expected exactly once" },
	{ "a template with two texts",
		E U "shape: json, map: {toxic: TOXIC}, request: '[$text,$text]'}\n",
		":7:81: request: $text or $texts is expected exactly once" },
	{ "a template that is no JSON",
		E U "shape: json, map: {toxic: TOXIC}, request: '{\"a\":\"$text\"}'}\n",
		":7:81: request: is not a JSON document when $text is replaced by a string" },
	{ "a template that lacks a comma before the text",
		E U "shape: json, map: {toxic: TOXIC}, request: '[1$text]'}\n",
		":7:81: request: is not a JSON document when $text is replaced by a string" },
	{ "a pointer that is none",
		E U "shape: json, map: {toxic: TOXIC}, answer: {label: label}}\n",
		":7:88: label: a JSON pointer such as /label is expected, found label" },
	{ "results of a single text",
		E U "shape: json, map: {toxic: TOXIC}, answer: {results: /r}}\n",
		":7:81: results: is for a request with $texts only" },
	{ "a category that is none",
		E U "shape: openai_moderation, entities: [MODERATION_VIOLENC]}\n",
		":7:75: entities: the moderation API has no category MODERATION_VIOLENC, did "
		"you mean" },
};

static void
error_in_a_recognizer_has_its_position(void **state)
{
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_fix f;
		fix_load(&f, &fix_config, rows[i].in);
		struct span got = buf_view(&f.d.text);
		char want[256];
		int n = snprintf(want, sizeof(want), "t.yaml%s", rows[i].want);
		if (f.p || f.d.errors != 1 || !span_starts(got, span_of(want, (size_t)n))) {
			printf("%s: %u errors, want %s, got %.*s\n", rows[i].name, f.d.errors,
				want, SPAN_ARG(got));
			failed++;
		}
		fix_done(&f);
	}
	assert_int_equal(failed, 0);
}

static const struct external *
load(struct policy_fix *f, const char *text)
{
	fix_load(f, &fix_config, text);
	if (!f->p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&f->d.text)));
	assert_true(f->p->nexternals >= 1);
	return f->p->externals;
}

static bool
has(const struct external *x, const char *theirs, const char *ours)
{
	int e = detect_entity_find(detect_fix()->rules, span_str(ours));

	for (size_t i = 0; i < x->rec.nlabels; i++)
		if (!strcmp(x->rec.labels[i].theirs, theirs))
			return x->rec.labels[i].entity == e &&
			       entity_in(&x->entities, (size_t)e);
	return false;
}

static void
recognizer_defaults_equal_the_manual(void **state)
{
	struct policy_fix f;
	const struct external *x = load(&f, E U "entities: [PERSON, TEST_BADGE]}\n");

	(void)state;
	assert_string_equal(x->rec.name, "ner");
	assert_int_equal(x->rec.shape, SHAPE_PRESIDIO);
	assert_true(x->rec.batch);
	assert_string_equal(x->rec.language, "en");
	assert_true(x->rec.score_threshold == 0.5);
	assert_int_equal(x->rec.source, 1);
	assert_true(has(x, "PERSON", "PERSON"));
	assert_true(has(x, "TEST_BADGE", "TEST_BADGE"));
	assert_int_equal(x->timeout_us, 80000);
	assert_int_equal(x->concurrency, 8);
	assert_int_equal(x->max_bytes, 65536);
	assert_null(x->when);
	assert_false(x->own_outcome);
	assert_int_equal(x->cache_entries, 10000);
	assert_int_equal(x->cache_ttl_us, 600000000);
	assert_int_equal(x->breaker_failures, 5);
	assert_int_equal(x->breaker_open_us, 2000000);
	assert_int_equal(x->nfields, 1);
	assert_true(x->roles >> ROLE_USER & 1);
	assert_true(x->roles >> ROLE_OTHER & 1);
	assert_true(x->roles >> ROLE_QUERY & 1);
	assert_false(x->roles >> ROLE_KEY & 1);
	assert_false(x->roles >> ROLE_PATH & 1);
	fix_done(&f);
}

static void
each_key_of_a_recognizer_is_read(void **state)
{
	char path[] = "/tmp/tollgate-token-XXXXXX", text[2048];
	struct policy_fix f;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "s3cret\n", 7), 7);
	close(fd);
	snprintf(text, sizeof(text),
		E "name: ner, url: 'unix:/run/p.sock:/analyze', shape: presidio,\n"
		  "       entities: [PERSON, LOCATION], map: {PER: PERSON, LOC: LOCATION, GPE: "
		  "LOCATION},\n"
		  "       class: names, language: de, score_threshold: 0.7, batch: false,\n"
		  "       when: '\"pii\" in prompt.classes && route.name == \"chat\"', roles: "
		  "[user],\n"
		  "       timeout: 1s, concurrency: 2, max_bytes: 4k, on_failure: redact,\n"
		  "       cache: {entries: 7, ttl: 2m}, breaker: {failures: 2, open: 1s},\n"
		  "       headers: {X-Team: a b}, token_file: %s}\n",
		path);
	const struct external *x = load(&f, text);
	assert_true(has(x, "PER", "PERSON") && has(x, "LOC", "LOCATION") &&
		    has(x, "GPE", "LOCATION"));
	assert_int_equal(x->rec.nlabels,
		3); /* PERSON itself is not requested, because the map renames it */
	assert_string_equal(x->rec.language, "de");
	assert_false(x->rec.batch);
	assert_true(x->rec.score_threshold == 0.7);
	assert_non_null(x->when);
	assert_int_equal(x->roles, 1u << ROLE_USER);
	assert_int_equal(x->timeout_us, 1000000);
	assert_int_equal(x->concurrency, 2);
	assert_int_equal(x->max_bytes, 4096);
	assert_true(x->own_outcome && x->outcome == OUT_REDACT);
	assert_int_equal(x->cache_entries, 7);
	assert_int_equal(x->cache_ttl_us, 120000000);
	assert_int_equal(x->breaker_failures, 2);
	assert_int_equal(x->breaker_open_us, 1000000);
	assert_int_equal(x->nfields, 3);
	assert_string_equal(x->fields[0], "Content-Type: application/json");
	assert_string_equal(x->fields[1], "X-Team: a b");
	assert_string_equal(x->fields[2], "Authorization: Bearer s3cret");
	fix_done(&f);
	unlink(path);
}

static void
recognizer_cache_can_be_off(void **state)
{
	struct policy_fix f;

	(void)state;
	assert_int_equal(load(&f, E U "entities: [PERSON], cache: false}\n")->cache_entries, 0);
	fix_done(&f);
}

static void
classifier_has_its_request_and_pointers(void **state)
{
	struct policy_fix f;
	const struct external *x =
		load(&f, E U "shape: json, map: {toxic: TEST_TOXIC}, request: "
			     "'{\"inputs\":$texts,\"k\":1}', "
			     "answer: {results: /r, items: /0, label: /l}}\n");

	(void)state;
	assert_true(x->rec.batch);
	assert_true(span_is(x->rec.before, "{\"inputs\":"));
	assert_true(span_is(x->rec.after, ",\"k\":1}"));
	assert_string_equal(x->rec.results, "/r");
	assert_string_equal(x->rec.items, "/0");
	assert_string_equal(x->rec.label, "/l");
	assert_null(x->rec.score); /* every label counts in full */
	fix_done(&f);
	x = load(&f, E U "shape: json, map: {toxic: TEST_TOXIC}}\n");
	assert_false(x->rec.batch);
	assert_true(span_is(x->rec.before, "{\"text\":"));
	assert_string_equal(x->rec.score, "/score");
	fix_done(&f);
}

static void
moderation_has_its_categories_and_class(void **state)
{
	struct policy_fix f;
	const struct external *x = load(&f, E U
		"shape: openai_moderation, model: omni-moderation-latest}\n"
		"rules:\n  - {name: no, when: '\"moderation\" in prompt.classes', deny: true}\n"
		"  - {name: one, redact: {entities: [MODERATION_SELF_HARM_INTENT]}}\n"
		"  - {name: all, redact: {classes: [moderation]}}\n");

	(void)state;
	assert_int_equal(x->rec.nlabels, 13);
	assert_true(has(x, "self-harm/intent", "MODERATION_SELF_HARM_INTENT"));
	assert_true(has(x, "violence/graphic", "MODERATION_VIOLENCE_GRAPHIC"));
	assert_true(x->rec.flagged >= 0);
	assert_string_equal(
		detect_entity_class(detect_fix()->rules, (size_t)x->rec.flagged), "moderation");
	assert_true(x->rec.score_threshold < 0);
	fix_done(&f);
	x = load(&f, E U "shape: openai_moderation, entities: [MODERATION_HATE, OWN], map: "
			 "{new: OWN}}\n");
	assert_int_equal(x->rec.nlabels, 2);
	assert_int_equal(x->rec.flagged, -1);
	fix_done(&f);
}

static void
recognizer_entities_can_be_named_in_classes_and_rules(void **state)
{
	struct policy_fix f;
	const struct external *x = load(&f, E U "entities: [TEST_HULL], class: ships}\n"
						"classes: {mine: [TEST_HULL, EMAIL_ADDRESS]}\n"
						"rules:\n  - {name: r, redact: {entities: "
						"[TEST_HULL], classes: [ships, mine]}}\n");
	int e = detect_entity_find(detect_fix()->rules, SPAN_LIT("TEST_HULL"));

	(void)state;
	assert_true(e >= 0 && entity_in(&x->entities, (size_t)e));
	assert_false(detect_entity_by_pattern(detect_fix()->rules, (size_t)e));
	assert_true(entity_in(&f.p->rules[0].redact, (size_t)e));
	fix_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_in_a_recognizer_has_its_position),
		cmocka_unit_test(recognizer_defaults_equal_the_manual),
		cmocka_unit_test(each_key_of_a_recognizer_is_read),
		cmocka_unit_test(recognizer_cache_can_be_off),
		cmocka_unit_test(classifier_has_its_request_and_pointers),
		cmocka_unit_test(moderation_has_its_categories_and_class),
		cmocka_unit_test(recognizer_entities_can_be_named_in_classes_and_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
