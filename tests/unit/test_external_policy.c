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
	{ "null for presidio", E U "entities: [PERSON], map: {PER: null}}\n",
		":7:69: map: the name of an entity is expected, found" },
	{ "a map of harmless names", E U "shape: json, map: {SAFE: null}}\n",
		":7:56: map: no name has an entity, so that nothing can be found" },
	{ "a highest score of 0",
		E U "shape: json, map: {a: A}, answer: {score_max: 0}}\n",
		":7:84: score_max: a number above 0 is expected, found 0" },
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
	{ "a list of pointers with one that is none",
		E U "shape: json, map: {toxic: TOXIC}, answer: {label: [/a, b]}}\n",
		":7:93: label: a JSON pointer such as /label is expected, found b" },
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

/* ---- services ---- */

/* Services in the form of their documentation (docs/policy.md, which names the sources), each with
 * a response to a harmless and to a bad text, one in another form, and one with an unknown
 * label. */
#define CHAT_ASK                                                                               \
	"request: '{\"model\": \"guard\", \"max_tokens\": 30, \"messages\": [{\"role\": "      \
	"\"user\", \"content\": $text}]}', answer: {label: /choices/0/message/content}, "
#define SAYS(text)                                                                             \
	"{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{"    \
	"\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]}"
static const struct service {
	const char *name, *item;
	const char *harmless, *bad, *found; /* found: the entities of `bad` */
	const char *wrong, *unknown;	    /* NULL: the form has no unknown labels */
} services[] = {
	{ "Hugging Face TEI",
		"request: '{\"inputs\": $text}', map: {INJECTION: PROMPT_ATTACK, SAFE: null}",
		"[{\"label\":\"SAFE\",\"score\":0.98},{\"label\":\"INJECTION\",\"score\":"
		"0.02}]",
		"[{\"label\":\"INJECTION\",\"score\":0.97},{\"label\":\"SAFE\",\"score\":"
		"0.03}]",
		"PROMPT_ATTACK", "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
		"[{\"label\":\"LABEL_1\",\"score\":0.97}]" },
	{ "Llama Guard", CHAT_ASK "map: {safe: null, unsafe: UNSAFE, 'S*': null}",
		SAYS("\\n\\nsafe"), SAYS("\\n\\nunsafe\\nS1,S14"), "UNSAFE",
		"{\"object\":\"error\",\"message\":\"no such model\"}",
		SAYS("I cannot help with that") },
	{ "Llama Guard, by category",
		CHAT_ASK "map: {safe: null, unsafe: UNSAFE, S1: [VIOLENT_CRIME, CRIME], S2: "
			 "CRIME, 'S*': null}",
		SAYS("safe"), SAYS("unsafe\\nS1,S10"), "UNSAFE VIOLENT_CRIME CRIME",
		"{\"choices\":[]}", SAYS("unsafe\\nX1") },
	{ "Granite Guardian", CHAT_ASK "map: {'*<score> yes*': RISK, 'Yes*': RISK, '*<score> no*': "
				       "null, 'No*': null}",
		SAYS("<score> no </score>"), SAYS("<score> yes </score>"), "RISK",
		"{\"choices\":[{\"message\":{\"content\":null}}]}", SAYS("perhaps") },
	{ "Granite Guardian 3.0", CHAT_ASK "map: {'*<score> yes*': RISK, 'Yes*': RISK, '*<score> "
					   "no*': null, 'No*': null}",
		SAYS("No"), SAYS("Yes"), "RISK", "{}", SAYS("Failed") },
	{ "Amazon Bedrock ApplyGuardrail",
		"request: '{\"source\": \"INPUT\", \"content\": [{\"text\": {\"text\": "
		"$text}}]}', answer: {label: /action}, map: {GUARDRAIL_INTERVENED: GUARDRAIL, "
		"NONE: null}",
		"{\"action\":\"NONE\",\"assessments\":[{}],\"outputs\":[],\"usage\":{}}",
		"{\"action\":\"GUARDRAIL_INTERVENED\",\"assessments\":[{\"contentPolicy\":{"
		"\"filters\":[{\"action\":\"BLOCKED\",\"confidence\":\"HIGH\",\"type\":"
		"\"PROMPT_ATTACK\"}]}}],\"outputs\":[{\"text\":\"no\"}]}",
		"GUARDRAIL", "{\"message\":\"The security token is invalid\"}",
		"{\"action\":\"MASKED\"}" },
	{ "Azure Prompt Shields",
		"request: '{\"userPrompt\": $text, \"documents\": []}', answer: {label: "
		"/userPromptAnalysis/attackDetected}, map: {true: PROMPT_ATTACK, false: null}",
		"{\"userPromptAnalysis\":{\"attackDetected\":false},\"documentsAnalysis\":[]}",
		"{\"userPromptAnalysis\":{\"attackDetected\":true},\"documentsAnalysis\":[]}",
		"PROMPT_ATTACK", "{\"error\":{\"code\":\"401\",\"message\":\"no\"}}",
		"{\"userPromptAnalysis\":{\"attackDetected\":\"maybe\"}}" },
	{ "Azure text analysis",
		"request: '{\"text\": $text, \"outputType\": \"EightSeverityLevels\"}', answer: "
		"{items: /categoriesAnalysis, label: /category, score: /severity, score_max: 7}, "
		"map: {Hate: HATE, SelfHarm: SELF_HARM, Sexual: SEXUAL, Violence: VIOLENCE, "
		"none: null}, score_threshold: 0.5",
		"{\"blocklistsMatch\":[],\"categoriesAnalysis\":[{\"category\":\"Hate\","
		"\"severity\":0},{\"category\":\"Violence\",\"severity\":2}]}",
		"{\"blocklistsMatch\":[],\"categoriesAnalysis\":[{\"category\":\"Hate\","
		"\"severity\":6},{\"category\":\"Violence\",\"severity\":4}]}",
		"HATE VIOLENCE", "{\"error\":{\"code\":\"InvalidRequestBody\"}}",
		"{\"categoriesAnalysis\":[{\"category\":\"Spam\",\"severity\":6}]}" },
	{ "Google Model Armor",
		"request: '{\"userPromptData\": {\"text\": $text}}', answer: {label: "
		"[/sanitizationResult/filterMatchState, /sanitizationResult/invocationResult]}, "
		"map: {MATCH_FOUND: MODEL_ARMOR, NO_MATCH_FOUND: null, SUCCESS: null}",
		"{\"sanitizationResult\":{\"filterMatchState\":\"NO_MATCH_FOUND\","
		"\"filterResults\":{},\"invocationResult\":\"SUCCESS\"}}",
		"{\"sanitizationResult\":{\"filterMatchState\":\"MATCH_FOUND\",\"filterResults\":"
		"{\"pi_and_jailbreak\":{\"piAndJailbreakFilterResult\":{\"matchState\":"
		"\"MATCH_FOUND\",\"confidenceLevel\":\"HIGH\"}}},\"invocationResult\":"
		"\"SUCCESS\"}}",
		"MODEL_ARMOR", "{\"error\":{\"code\":403,\"status\":\"PERMISSION_DENIED\"}}",
		"{\"sanitizationResult\":{\"filterMatchState\":\"NO_MATCH_FOUND\",\"filterResults\":"
		"{},\"invocationResult\":\"PARTIAL\"}}" },
	{ "Lakera Guard",
		"request: '{\"messages\": [{\"role\": \"user\", \"content\": $text}]}', answer: "
		"{label: /flagged}, map: {true: LAKERA, false: null}",
		"{\"flagged\":false,\"metadata\":{\"request_uuid\":\"u\"}}",
		"{\"flagged\":true,\"metadata\":{\"request_uuid\":\"u\"}}", "LAKERA",
		"{\"error\":\"Unauthorized\"}", "{\"flagged\":\"unsure\"}" },
	{ "Lakera Guard, by detector",
		"request: '{\"messages\": [{\"role\": \"user\", \"content\": $text}], "
		"\"breakdown\": true}', answer: {items: /breakdown, label: /detector_type, score: "
		"/detected}, map: {prompt_attack: PROMPT_ATTACK, 'pii*': PII_LAKERA, "
		"'moderated_content*': CONTENT, unknown_links: null}",
		"{\"flagged\":false,\"breakdown\":[{\"detector_type\":\"prompt_attack\","
		"\"detected\":false},{\"detector_type\":\"unknown_links\",\"detected\":true}]}",
		"{\"flagged\":true,\"breakdown\":[{\"detector_type\":\"prompt_attack\","
		"\"detected\":true},{\"detector_type\":\"pii/email\",\"detected\":true},{"
		"\"detector_type\":\"moderated_content/crime\",\"detected\":false}]}",
		"PROMPT_ATTACK PII_LAKERA", "{\"flagged\":true}",
		"{\"breakdown\":[{\"detector_type\":\"new\",\"detected\":true}]}" },
	{ "NeMo Guardrails",
		"request: '{\"model\": \"m\", \"messages\": [{\"role\": \"user\", \"content\": "
		"$text}], \"guardrails\": {\"config_id\": \"demo\"}}', answer: {label: /status}, "
		"map: {blocked: NEMO, success: null}",
		"{\"status\":\"success\",\"rails_status\":{\"self check input\":{\"status\":"
		"\"success\"}},\"guardrails_data\":null}",
		"{\"status\":\"blocked\",\"rails_status\":{\"self check input\":{\"status\":"
		"\"blocked\"}},\"guardrails_data\":null}",
		"NEMO", "{\"detail\":\"not found\"}", "{\"status\":\"error\"}" },
};

/* Returns the entities of a response, or "error: …". */
static const char *
heard(const struct external *x, const char *answer)
{
	static char out[512];
	struct span text = SPAN_LIT("some text");
	struct findings f;
	struct arena a;
	const char *why;
	size_t n = 0;

	out[0] = '\0';
	arena_init(&a, 0, false);
	int err = recognizer_read(&x->rec, span_str(answer), &text, 1, &a, &f, NULL, &why);
	if (err)
		snprintf(out, sizeof(out), "error: %s", why);
	for (size_t i = 0; i < f.n; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i ? " " : "",
			detect_entity_name(detect_fix()->rules, f.v[i].entity));
	arena_reset(&a);
	return out;
}

static bool
same_words(const char *got, const char *want)
{
	struct span rest = span_str(want);

	if (strlen(got) != strlen(want))
		return false;
	while (rest.n) {
		struct span word = span_next(&rest, ' ');
		if (!memmem(got, strlen(got), word.p, word.n))
			return false;
	}
	return true;
}

static void
service_is_understood_in_its_documented_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(services); i++) {
		const struct service *v = &services[i];
		struct policy_fix f;
		char text[4096];
		snprintf(text, sizeof(text), E U "shape: json, %s}\n", v->item);
		const struct external *x = load(&f, text);
		if (*heard(x, v->harmless))
			fail_msg("%s: harmless: %s", v->name, heard(x, v->harmless));
		if (!same_words(heard(x, v->bad), v->found))
			fail_msg("%s: bad: %s", v->name, heard(x, v->bad));
		if (strncmp(heard(x, v->wrong), "error: ", 7))
			fail_msg("%s: wrong: %s", v->name, heard(x, v->wrong));
		if (strcmp(heard(x, v->unknown),
			    "error: the response has a label that is not in map"))
			fail_msg("%s: unknown: %s", v->name, heard(x, v->unknown));
		fix_done(&f);
	}
}

/* A label that a map without null does not have counts as nothing found, but is reported. */
static void
unknown_label_is_reported(void **state)
{
	static const char by_score[] = "request: '{\"inputs\": $text}', answer: {items: '', label: "
				       "/label, score: /score}, map: {toxic: TOXICITY}";
	static const char by_name[] = CHAT_ASK "map: {unsafe: UNSAFE, S1: VIOLENT_CRIME}";
	static const char by_truth[] = "request: '{\"t\": $text}', answer: {label: /flagged}, "
				       "map: {true: LAKERA}";
	static const char closed[] = CHAT_ASK "map: {unsafe: UNSAFE, safe: null}";
	static const struct {
		const char *item, *answer, *unknown;
	} answers[] = {
		{ by_score, "[{\"label\":\"toxic\",\"score\":0.9}]", "" },
		{ by_score, "[{\"label\":\"LABEL_1\",\"score\":0.9}]", "LABEL_1" },
		{ by_score, "[{\"label\":\"LABEL_1\",\"score\":0.1}]", "" },
		/* the model scores each label that it has, and the policy uses one of them */
		{ by_score,
			"[{\"label\":\"neutral\",\"score\":0.9},{\"label\":\"toxic\",\"score\":"
			"0.1}]",
			"" },
		{ by_score,
			"[{\"label\":\"LABEL_0\",\"score\":0.1},{\"label\":\"LABEL_1\","
			"\"score\":0.9}]",
			"LABEL_1" },
		{ by_score, "[]", "" },
		{ by_name, SAYS("unsafe\\nS1"), "" },
		{ by_name, SAYS("unsafe\\nS1,S14"), "S14" },
		{ by_name, SAYS("unsafe,"), "" },
		{ by_name, SAYS("Unsafe"), "Unsafe" },
		{ by_name, SAYS("safe"), "safe" },
		{ by_truth, "{\"flagged\":true}", "" },
		{ by_truth, "{\"flagged\":false}", "" },
		{ by_truth, "{\"flagged\":\"unsure\"}", "unsure" },
		{ closed, SAYS("safe"), "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct policy_fix f;
		char text[4096];
		struct span asked = SPAN_LIT("some text"), unknown;
		struct findings found;
		struct arena a;
		const char *why;
		snprintf(text, sizeof(text), E U "shape: json, %s}\n", answers[i].item);
		const struct external *x = load(&f, text);
		arena_init(&a, 0, false);
		if (recognizer_read(&x->rec, span_str(answers[i].answer), &asked, 1, &a, &found,
			    &unknown, &why))
			fail_msg("%s: %s", answers[i].answer, why);
		if (!span_is(unknown, answers[i].unknown))
			fail_msg("%s: \"%.*s\" is unknown", answers[i].answer, SPAN_ARG(unknown));
		arena_reset(&a);
		fix_done(&f);
	}
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
		cmocka_unit_test(unknown_label_is_reported),
		cmocka_unit_test(service_is_understood_in_its_documented_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
