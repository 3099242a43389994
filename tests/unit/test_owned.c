/* dialect/owned: objects of one provider that a request contains, and objects that a response
 * creates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gate/sources/pins.h"
#include "scan/dialect/owned.h"
#include "support/guard.h"

/* clang-format off */
/* Words: names that are found, then encrypted parts. */
static const struct {
	const char *dialect, *path, *body, *names, *seals;
} brings[] = {
	{ "openai", "/v1/responses", "{\"previous_response_id\":\"resp_1\",\"input\":\"x\"}", "resp_1", "" },
	{ "openai", "/v1/responses", "{\"conversation\":\"conv_1\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"file_id\":\"file-1\"}]}]}", "file-1 conv_1", "" },
	{ "openai", "/v1/responses", "{\"conversation\":{\"id\":\"conv_1\"},\"input\":\"x\"}", "conv_1", "" },
	{ "openai", "/v1/responses", "{\"input\":[{\"type\":\"reasoning\",\"encrypted_content\":\"c2VhbGVk\",\"summary\":[]},{\"type\":\"reasoning\",\"encrypted_content\":\"b3RoZXI=\",\"summary\":[]}]}", "", "b3RoZXI= c2VhbGVk" },
	{ "openai", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"previous_response_id\"}],\"metadata\":{\"x\":\"y\"}}", "", "" },
	{ "openai", "/v1/chat/completions", "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"file_id\\\":\\\"f\\\"}\"}}]}]}", "", "" },
	{ "openai", "/v1/batches", "{\"input_file_id\":\"file-2\",\"endpoint\":\"/v1/x\"}", "file-2", "" },
	{ "openai", "/v1/responses/resp_9", NULL, "resp_9", "" },
	{ "openai", "/v1/threads/thread_7/runs", "{\"assistant_id\":\"asst_1\"}", "asst_1 thread_7", "" },
	{ "openai", "/v1/models", NULL, "", "" },
	{ "anthropic", "/v1/messages", "{\"container\":\"cont_1\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}]}]}", "file_1 cont_1", "" },
	{ "anthropic", "/v1/messages", "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"ZGF0YQ==\"}]}]}", "", "ZGF0YQ== c2ln" },
	{ "gemini", "/v1beta/models/gemini-2.5-pro:generateContent", "{\"cachedContent\":\"cachedContents/1\",\"contents\":[{\"parts\":[{\"fileData\":{\"fileUri\":\"https://x/files/1\"}}]}]}", "https://x/files/1 cachedContents/1", "" },
	{ "bedrock", "/model/m/converse", "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"t\",\"signature\":\"c2ln\"}}}]}]}", "", "c2ln" },
};

static const struct {
	const char *document, *makes;
} makes[] = {
	{ "{\"id\":\"resp_1\",\"conversation\":{\"id\":\"conv_1\"},\"output\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"encrypted_content\":\"c2VhbGVk\"}]}", "resp_1 conv_1 rs_1 c2VhbGVk" },
	{ "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}", "resp_1" },
	{ "{\"id\":\"msg_1\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"c2ln\"}],\"container\":{\"id\":\"cont_1\"}}", "msg_1 c2ln cont_1" },
	{ "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}", "c2ln" },
	{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thoughtSignature\":\"c2ln\"}]}}]}", "c2ln" },
	{ "{\"output\":{\"message\":{\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"t\",\"signature\":\"c2ln\"}}}]}}}", "c2ln" },
	{ "{\"file\":{\"name\":\"files/1\",\"uri\":\"https://x/files/1\"}}", "files/1 https://x/files/1" },
	{ "{\"choices\":[{\"message\":{\"content\":\"id\",\"id\":\"x\"}}]}", "" },
	{ "{\"id\":\"a\",\"message\":{\"id\":\"a\"}}", "a" },
	{ "{\"name\":\"a sentence, and no name\"}", "" },
	{ "{\"id\":\"cut", "" },
	{ "{\"id\":\"a\"} more", "" },
	{ "", "" },
};
/* clang-format on */

/* Splits the expected words into names, in order. */
static size_t
words(const char *text, struct file_name out[OWNED_MAX])
{
	struct span rest = span_str(text);
	size_t n = 0;

	while (rest.n)
		out[n++] = file_name_of(span_next(&rest, ' '));
	return n;
}

static void
provider_objects_are_found_in_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(brings); i++) {
		struct span path = span_str(brings[i].path);
		struct http_head h = { .method = brings[i].body ? SPAN_LIT("POST")
								: SPAN_LIT("GET"),
			.path = path };
		struct endpoint e = dialect_endpoint(
			dialect_find(span_str(brings[i].dialect)), h.method, path);
		struct body_refusal why = { 0 };
		struct file_name want[OWNED_MAX];
		struct owned got[OWNED_MAX];
		struct segment *target;
		struct unread unread = { 0 };
		struct body b;
		struct arena a;
		size_t ntarget;

		arena_init(&a, 0, false);
		assert_int_equal(
			target_read(&h, NULL, true, &a, &target, &ntarget, &unread, &why), 0);
		if (brings[i].body && body_read(e.table, SPAN_LIT("application/json"),
					      span_str(brings[i].body), &a, &b, &why))
			fail_msg("%s: %s", brings[i].body, why.why);
		size_t n = dialect_owned(&e, brings[i].body ? &b : NULL, target, ntarget, got);
		size_t nnames = words(brings[i].names, want);
		size_t nall = nnames + words(brings[i].seals, want + nnames);
		if (n != nall)
			fail_msg("%s %s: %zu", brings[i].path, brings[i].body, n);
		for (size_t k = 0; k < n; k++)
			if (memcmp(&got[k].id, &want[k], sizeof(want[k])) ||
				got[k].sealed != (k >= nnames))
				fail_msg("%s %s: %zu is another", brings[i].path,
					brings[i].body, k);
		arena_reset(&a);
	}
}

static void
created_objects_are_found_in_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(makes); i++) {
		struct file_name want[OWNED_MAX];
		struct made_thing got[OWNED_MAX];
		size_t n = 0, length = strlen(makes[i].document);
		char *p = guard_dup(makes[i].document, length);
		struct arena a;

		arena_init(&a, 0, false);
		dialect_made_things(span_of(p, length), &a, got, &n);
		guard_free(p, length);
		if (n != words(makes[i].makes, want))
			fail_msg("%s: %zu", makes[i].document, n);
		for (size_t k = 0; k < n; k++)
			if (memcmp(&got[k].id, &want[k], sizeof(want[k])))
				fail_msg("%s: %zu is another", makes[i].document, k);
		arena_reset(&a);
	}
}

/* Of many objects, the last ones are kept, because the next turn uses these. */
static void
last_created_objects_are_kept(void **state)
{
	struct made_thing got[OWNED_MAX];
	struct file_name last;
	struct arena a;
	size_t n = 0;
	char text[64];

	(void)state;
	arena_init(&a, 0, false);
	for (int i = 0; i < 3 * OWNED_MAX; i++) {
		snprintf(text, sizeof(text), "{\"id\":\"resp_%d\"}", i);
		dialect_made_things(span_str(text), &a, got, &n);
	}
	assert_int_equal(n, OWNED_MAX);
	snprintf(text, sizeof(text), "resp_%d", 3 * OWNED_MAX - 1);
	last = file_name_of(span_str(text));
	assert_memory_equal(&got[n - 1].id, &last, sizeof(last));
	arena_reset(&a);
}

static void
pin_is_kept_for_31_days(void **state)
{
	struct pins p = { pin_table_new(), NULL };
	struct pin_wait w = { .n = 2, .key = { { "0123456789abcde" }, { "0123456789abcdf" } } };
	const int64_t now = 1800000000, days = 86400;
	uint64_t a = pin_target(SPAN_LIT("a"), SPAN_LIT("m")),
		 b = pin_target(SPAN_LIT("b"), SPAN_LIT("m"));

	(void)state;
	assert_non_null(p.table);
	assert_true(a && b && a != b && (int64_t)a > 0);
	assert_true(pin_same_provider(a, pin_target(SPAN_LIT("a"), SPAN_LIT(""))));
	assert_false(pin_same_provider(a, b));
	assert_true(pins_get(&p, &w, now));
	assert_true(!w.target[0] && !w.target[1]);
	pins_put(&p, &w.key[0], a, now);
	assert_true(pins_get(&p, &w, now + 31 * days - 1));
	assert_true(w.target[0] == a && !w.target[1]);
	pins_put(&p, &w.key[0], b, now + days);
	assert_true(pins_get(&p, &w, now + 31 * days));
	assert_true(w.target[0] == b);
	assert_true(pins_get(&p, &w, now + 32 * days));
	assert_true(!w.target[0]);
	/* without room, the oldest pins are removed */
	for (uint32_t i = 0; i < 300000; i++) {
		struct pin_key k = { { 0 } };
		uint64_t spread = i * UINT64_C(0x9E3779B97F4A7C15);
		memcpy(k.h, &spread, sizeof(spread));
		memcpy(k.h + 8, &spread, sizeof(spread));
		pins_put(&p, &k, a, now + 2 * days + i);
	}
	assert_true(pins_get(&p, &w, now + 3 * days));
	assert_true(!w.target[0]);
	pin_table_free(&p.table);
	assert_null(p.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider_objects_are_found_in_requests),
		cmocka_unit_test(created_objects_are_found_in_responses),
		cmocka_unit_test(last_created_objects_are_kept),
		cmocka_unit_test(pin_is_kept_for_31_days),
	};

	return cmocka_run_group_tests_name("owned", tests, NULL, NULL);
}
