/* Near keys: which requests have one and which share it, and how a policy configures nearness
 * and the polite phrases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "gate/cache/near.h"
#include "support/courtesy_fix.h"
#include "support/policy_fix.h"

static const unsigned char secret[CACHE_KEY_BYTES] = "a secret";

/* ---- keys ---- */

static const char *
near_keyed(enum form f, const char *body, unsigned char key[CACHE_KEY_BYTES])
{
	char *text = strdup(body);
	struct buf prompt;

	for (char *c = text; (c = strchr(c, '\''));)
		*c = '"';
	const struct cache_ask ask = { .form = f, .body = span_str(text), .warmest = 0 };
	buf_init(&prompt, 0);
	assert_null(cache_key(&ask, secret, key));
	const char *why = cache_near_key(&ask, courtesy, secret, &prompt, key);
	assert_int_equal(why == NULL, prompt.n > 0);
	if (!why)
		assert_non_null(memmem(prompt.p, prompt.n, "xplain", 6));
	buf_free(&prompt);
	free(text);
	return why;
}

#define SYS "{'role':'system','content':'Be brief.'}"
static void
near_requests_have_one_key(void **state)
{
	static const struct {
		enum form form;
		const char *one, *other;
		bool same;
	} rows[] = {
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'user','content':'Explain a "
			"lock.'}]}",
			"{'messages' : [ {'role':'user','content':'Please expl\\u0061in a "
			"lock'} ],"
			"'temperature':0,'stream':true}",
			true },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[" SYS
			",{'role':'user','content':[{'type':'text','text':'Explain a "
			"lock.'}]}]}",
			"{'temperature':0,'messages':[" SYS
			",{'role':'user','content':[{'type':'text','text':'Please explain a "
			"lock'}]}]}",
			true },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[" SYS
			",{'role':'user','content':'Explain a lock.'}]}",
			"{'temperature':0,'messages':[{'role':'system','content':'Be  brief.'}"
			",{'role':'user','content':'Explain a lock.'}]}",
			false },
		{ FORM_CHAT,
			"{'temperature':0,'model':'a','messages':[{'role':'user','content':'"
			"Explain a "
			"lock'}]}",
			"{'temperature':0,'model':'b','messages':[{'role':'user','content':'"
			"Explain a "
			"lock'}]}",
			false },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'user','content':'Explain a "
			"lock'}]}",
			"{'temperature':0,'messages':[{'role':'user','content':'Explain a "
			"key'}]}",
			false },
		{ FORM_RESPONSES,
			"{'temperature':0,'store':false,'instructions':'Be "
			"brief.','input':'Explain "
			"a lock'}",
			"{'temperature':0,'store':false,'instructions':'Be "
			"brief.','input':'Please "
			"explain a lock.'}",
			true },
		{ FORM_RESPONSES,
			"{'temperature':0,'store':false,'instructions':'Be "
			"brief.','input':'Explain "
			"a lock'}",
			"{'temperature':0,'store':false,'instructions':'Be "
			"long.','input':'Explain a "
			"lock'}",
			false },
		{ FORM_RESPONSES,
			"{'temperature':0,'store':false,'input':[{'type':'message','role':'"
			"user',"
			"'content':[{'type':'input_text','text':'Explain a lock'}]}]}",
			"{'temperature':0,'store':false,'input':[{'type':'message','role':'"
			"user',"
			"'content':[{'type':'input_text','text':'Hi, explain a lock'}]}]}",
			true },
		{ FORM_MESSAGES,
			"{'temperature':0,'system':'Be "
			"brief.','messages':[{'role':'user','content':"
			"'Explain a lock'}]}",
			"{'temperature':0,'system':'Be "
			"brief.','messages':[{'role':'user','content':"
			"'Explain a lock, thanks'}]}",
			true },
		{ FORM_GENERATE,
			"{'generationConfig':{'temperature':0},'contents':[{'parts':[{'text':"
			"'Explain a lock'}]}]}",
			"{'generationConfig':{'temperature':0},'contents':[{'parts':[{'text':"
			"'Explain  a lock'}]}]}",
			true },
		{ FORM_CONVERSE,
			"{'inferenceConfig':{'temperature':0},'messages':[{'role':'user','"
			"content':"
			"[{'text':'Explain a lock'}]}]}",
			"{'inferenceConfig':{'temperature':0},'messages':[{'role':'user','"
			"content':"
			"[{'text':'Please explain a lock'}]}]}",
			true },
	};
	unsigned char a[CACHE_KEY_BYTES], b[CACHE_KEY_BYTES], exact[CACHE_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *why = near_keyed(rows[i].form, rows[i].one, a);
		why = why ? why : near_keyed(rows[i].form, rows[i].other, b);
		if (why || rows[i].same != !memcmp(a, b, sizeof(a)))
			fail_msg("%s: %s", rows[i].other, why ? why : "the wrong key");
	}
	/* a request without an exact key */
	static const char body[] = "{\"temperature\":0,\"messages\":[{\"role\":\"user\","
				   "\"content\":\"explain a lock\"}]}";
	const struct cache_ask ask = { .form = FORM_CHAT, .body = span_str(body) };
	assert_null(cache_key(&ask, secret, exact));
	assert_null(near_keyed(FORM_CHAT, body, a));
	assert_memory_not_equal(a, exact, sizeof(a));
}

static void
request_without_a_near_key_has_a_reason(void **state)
{
#define ASK "{'role':'user','content':'Explain a lock'}"
	static const struct {
		enum form form;
		const char *body, *why;
	} rows[] = {
		{ FORM_CHAT, "{'temperature':0}", "the request has no prompt" },
		{ FORM_CHAT, "{'temperature':0,'messages':[]}", "the request has no prompt" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK "," ASK "]}",
			"the request has earlier turns" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[" ASK
			",{'role':'assistant','content':'yes'}]}",
			"the request has earlier turns" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'assistant','content':'yes'}," ASK
			"]}",
			"the request has earlier turns" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK "," SYS "]}",
			"the request has earlier turns" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK ",'x']}",
			"the request has more than one text" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[" ASK "],'tools':[{'type':'function'}]}",
			"the request has tools" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK "],'functions':[{}]}",
			"the request has tools" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK "],'tool_choice':'auto'}",
			"the request has tools" },
		{ FORM_CHAT, "{'temperature':0,'messages':[" ASK "],'tools':[ ]}", NULL },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'user','content':[{'type':'text',"
			"'text':'Explain a lock'},{'type':'text','text':'b'}]}]}",
			"the request has more than one text" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'user','content':[{'type':'text',"
			"'text':'Explain a lock'},{'type':'image_url','image_url':{}}]}]}",
			"the request has more than one text" },
		{ FORM_CHAT, "{'temperature':0,'messages':[{'role':'user','content':null}]}",
			"the request has more than one text" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'role':'user','content':'Explain a "
			"lock',"
			"'audio':{}}]}",
			"the request has more than one text" },
		{ FORM_CHAT, "{'temperature':0,'messages':[{'content':'Lock'}]}",
			"the prompt does not begin with a listed verb" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'content':'You "
			"translate.','role':'system'}," ASK "]}",
			"the system prompt is about a text, so polite phrases may be content" },
		{ FORM_CHAT,
			"{'temperature':0,'messages':[{'content':[{'type':'text','text':'Hi'},{"
			"'type':"
			"'text','text':'You tr\\u0061nslate.'}],'role':'developer'}," ASK "]}",
			"the system prompt is about a text, so polite phrases may be content" },
		{ FORM_MESSAGES,
			"{'temperature':0,'system':[{'type':'text','text':'Translate!'}],'"
			"messages':"
			"[" ASK "]}",
			"the system prompt is about a text, so polite phrases may be content" },
		{ FORM_RESPONSES,
			"{'temperature':0,'store':false,'instructions':'\\u00dcbersetze "
			"das.','input':'Explain a lock'}",
			"the system prompt is about a text, so polite phrases may be content" },
		{ FORM_CONVERSE,
			"{'inferenceConfig':{'temperature':0},'messages':[{'role':'user','"
			"content':["
			"{'text':'Explain a lock'},{'cachePoint':{'type':'default'}}]}]}",
			"the request has more than one text" },
		{ FORM_CONVERSE,
			"{'inferenceConfig':{'temperature':0},'toolConfig':{'toolChoice':{'"
			"auto':{}}},"
			"'messages':[{'role':'user','content':[{'text':'Explain a lock'}]}]}",
			"the request has tools" },
	};
	unsigned char key[CACHE_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *why = near_keyed(rows[i].form, rows[i].body, key);
		if (!str_same(why, rows[i].why))
			fail_msg("%s: %s", rows[i].body, why ? why : "a key");
	}
	struct buf none;
	buf_init(&none, 0);
	const struct cache_ask other = { .form = FORM_EMBEDDINGS, .body = SPAN_LIT("{}") },
			       cut = { .form = FORM_CHAT, .body = SPAN_LIT("{\"model\":1") };
	assert_non_null(cache_near_key(&other, courtesy, secret, &none, key));
	assert_string_equal(cache_near_key(&cut, courtesy, secret, &none, key),
		"the body cannot be compared");
	static char blanks[NEAR_BODY_MOST + 1];
	memset(blanks, ' ', sizeof(blanks));
	struct cache_ask large = { .form = FORM_CHAT, .body = span_of(blanks, sizeof(blanks)) };
	assert_string_equal(
		cache_near_key(&large, courtesy, secret, &none, key), "the request is too long to be compared");
	large.body.n--;
	assert_string_equal(cache_near_key(&large, courtesy, secret, &none, key),
		"the body cannot be compared");
	buf_free(&none);
}

/* ---- the file, and the policy ---- */

static const char *
courtesies_at(const char *text)
{
	static char file[64];
	FILE *f;

	snprintf(file, sizeof(file), "/tmp/test_cache_near.%d.yaml", (int)getpid());
	assert_non_null(f = fopen(file, "w"));
	fputs(text, f);
	fclose(f);
	return file;
}

static void
error_in_courtesies_is_reported_with_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "languages: {}\n", ":1:1: words is missing" },
		{ "words: [a]\n", ":1:1: languages is missing" },
		{ "words: [a]\nlanguages: []\n", ":2:12: languages: a mapping" },
		{ "words: [a]\nlanguages: {en: {first: [b]}}\n", ":2:13: en: asks is missing" },
		{ "words: [a]\nlanguages: {en: {asks: [b c]}}\n",
			":2:25: b c: a word of letters" },
		{ "words: [a b]\nlanguages: {}\n", ":1:9: a b: a word of letters" },
		{ "words: [a, '*']\nlanguages: {}\n", ":1:12: *: a word of letters" },
		{ "words: [a]\nlanguages:\n  en: {asks: [b], first: [a;b]}\n",
			":3:27: a;b: words of letters" },
		{ "words: [a]\nlanguages:\n  en: {asks: [b]}\n  de: {asks: [c, B]}\n",
			":4:18: B: is already a word of another language" },
		{ "words: [a]\nlanguages: {en: {ask: [b]}}\n", ":2:18: ask: unknown key" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *file = courtesies_at(rows[i].text);
		struct diag d;
		diag_init(&d);
		assert_null(courtesy_load(&courtesy_arena, file, &d));
		if (!memmem(d.text.p, d.text.n, rows[i].says, strlen(rows[i].says)) ||
			!memmem(d.text.p, d.text.n, file, strlen(file)))
			fail_msg("%s: %.*s", rows[i].text, SPAN_ARG(buf_view(&d.text)));
		diag_free(&d);
		unlink(file);
	}
}

#define NEAR(words)                                                                            \
	"tollgate: 1\nname: t\nroutes:\n  - {name: chat, match: {path: "                       \
	"/v1/chat/completions}, "                                                              \
	"backend: openai, cache: {exact: {ttl: 1h}" words "}}\n"

static void
route_configures_nearness(void **state)
{
	static const char own[] =
		"words: [zzz*, zzzb]\nlanguages: {en: {first: [pray tell], asks: [explain]}}\n";
	static const struct {
		const char *policy;
		bool near;
		double similarity;
	} rows[] = {
		{ NEAR(""), false, 0 },
		{ NEAR(", near: false"), false, 0 },
		{ NEAR(", near: true"), true, 0.9 },
		{ NEAR(", near: {}"), true, 0.9 },
		{ NEAR(", near: {similarity: 1}"), true, 1 },
		{ NEAR(", near: {similarity: 0.95}"), true, 0.95 },
	};
	struct policy_fix f;
	char text[400], versions[3][65];
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct policy *p = fix_load(&f, &fix_config, rows[i].policy);
		if (!p)
			fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
		assert_int_equal(p->routes[0].cache.near != NULL, rows[i].near);
		assert_true(p->routes[0].cache.similarity == rows[i].similarity);
		fix_done(&f);
	}
	for (size_t i = 0; i < 3; i++) {
		const char *file = courtesies_at(i < 2 ? own : "words: [zz*]\nlanguages: {}\n");
		snprintf(text, sizeof(text), NEAR(", near: {courtesy: %s}"), file);
		const struct policy *p = fix_load(&f, &fix_config, text);
		if (!p)
			fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
		memcpy(versions[i], p->version, sizeof(versions[i]));
		buf_init(&b, 0);
		if (i == 0) {
			assert_null(near_text(p->routes[0].cache.near,
				SPAN_LIT("Pray tell, explain it"), &b));
			assert_true(span_is(buf_view(&b), "explain it"));
			assert_non_null(near_text(
				p->routes[0].cache.near, SPAN_LIT("Explain zzzz"), &b));
		}
		buf_free(&b);
		fix_done(&f);
		unlink(file);
	}
	assert_string_equal(versions[0], versions[1]);
	assert_string_not_equal(versions[0], versions[2]);
}

static void
invalid_nearness_is_refused(void **state)
{
	static const struct {
		const char *policy, *says;
	} rows[] = {
		{ NEAR(", near: much"), "near: true or false is expected, found much" },
		{ NEAR(", near: []"), "near: a mapping is expected, found a list" },
		{ NEAR(", near: {near: 1}"), "near: unknown key" },
		{ NEAR(", near: {similarity: 0.89}"),
			"similarity: a number from 0.9 to 1 is expected, found 0.89" },
		{ NEAR(", near: {similarity: 1.5}"),
			"similarity: a number from 0.9 to 1 is expected, found 1.5" },
		{ NEAR(", near: {similarity: high}"), "similarity: a number from 0.9 to 1" },
		{ NEAR(", near: {courtesy: /nonexistent/x.yaml}"), "/nonexistent/x.yaml" },
		{ "tollgate: 1\nname: t\nroutes: [{name: x, match: {path: /a}, backend: "
		  "openai, "
		  "cache: {near: true}}]\n",
			"exact is missing" },
	};
	struct policy_fix f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(fix_load(&f, &fix_config, rows[i].policy));
		if (f.d.errors != 1 ||
			!memmem(f.d.text.p, f.d.text.n, rows[i].says, strlen(rows[i].says)))
			fail_msg("%s: %.*s", rows[i].policy, SPAN_ARG(buf_view(&f.d.text)));
		fix_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_requests_have_one_key),
		cmocka_unit_test(request_without_a_near_key_has_a_reason),
		cmocka_unit_test(error_in_courtesies_is_reported_with_its_place),
		cmocka_unit_test(route_configures_nearness),
		cmocka_unit_test(invalid_nearness_is_refused),
	};

	return cmocka_run_group_tests(tests, courtesy_setup, courtesy_teardown);
}
