/* text/body: formats, roles, the content that each dialect reads, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "scan/dialect/dialect.h"
#include "support/body_dump.h"
#include "support/guard.h"

static const char OPENAI[] = "openai", ANTHROPIC[] = "anthropic", REST[] = "rest";

static int
read_body(const char *dialect, const char *type, struct span raw, struct arena *a,
	struct body *b, struct body_refusal *why)
{
	return body_read(
		dialect_table(dialect_find(span_str(dialect))), span_str(type), raw, a, b, why);
}

static const struct {
	const char *name, *dialect, *type, *in, *want;
} reads[] = {
	{ "roles come from the message", OPENAI, NULL,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},"
		"{\"role\":\"developer\",\"content\":\"b\"},{\"role\":\"user\",\"content\":"
		"\"c\"},"
		"{\"role\":\"assistant\",\"content\":\"d\"},{\"role\":\"tool\",\"content\":"
		"\"e\"},"
		"{\"role\":\"function\",\"content\":\"f\"},{\"role\":\"other\",\"content\":"
		"\"g\"}]}",
		"other* model=m\n"
		"other* messages[0].role=system\nsystem messages[0].content=a\n"
		"other* messages[1].role=developer\nsystem messages[1].content=b\n"
		"other* messages[2].role=user\nuser messages[2].content=c\n"
		"other* messages[3].role=assistant\nassistant messages[3].content=d\n"
		"other* messages[4].role=tool\ntool_result messages[4].content=e\n"
		"other* messages[5].role=function\ntool_result messages[5].content=f\n"
		"other* messages[6].role=other\nother? messages[6].content=g\n" },
	{ "the role may stand behind the content", OPENAI, NULL,
		"{\"messages\":[{\"content\":[{\"text\":\"a\",\"type\":\"text\"},\"b\"],"
		"\"role\":\"user\"},"
		"{\"content\":\"c\"}]}",
		"user messages[0].content[0].text=a\nother* messages[0].content[0].type=text\n"
		"user messages[0].content[1]=b\nother* messages[0].role=user\n"
		"other? messages[1].content=c\n" },
	{ "unknown members are segments too, at every depth", OPENAI, NULL,
		"{\"x\":{\"y\":[\"a\",{\"z\":\"b\"}]},\"messages\":[{\"role\":\"user\",\"foo\":"
		"\"c\","
		"\"content\":[{\"type\":\"text\",\"text\":\"d\",\"bar\":{\"q\":\"e\"}}]}]}",
		"other x.y[0]=a\nother x.y[1].z=b\nother* messages[0].role=user\nother "
		"messages[0].foo=c\n"
		"other* messages[0].content[0].type=text\nuser messages[0].content[0].text=d\n"
		"other messages[0].content[0].bar.q=e\n" },
	{ "tool calls and definitions", OPENAI, NULL,
		"{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
		"\"id\":\"i\",\"type\":"
		"\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":"
		"\\\"b\\\"}\"}},{\"type\":"
		"\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"in\"}}]},{\"role\":\"tool\","
		"\"tool_call_id\":"
		"\"i\",\"content\":\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
		"\"name\":\"f\","
		"\"description\":\"d\",\"parameters\":{\"properties\":{\"p\":{\"enum\":[\"e\"]}"
		"}}}}]}",
		"other* messages[0].role=assistant\ntool_call messages[0].tool_calls[0].id=i\n"
		"tool_call* messages[0].tool_calls[0].type=function\n"
		"tool_call* messages[0].tool_calls[0].function.name=f\n"
		"tool_call messages[0].tool_calls[0].function.arguments={\"a\":\"b\"}\n"
		"tool_call* messages[0].tool_calls[1].type=custom\n"
		"tool_call* messages[0].tool_calls[1].custom.name=g\n"
		"tool_call messages[0].tool_calls[1].custom.input=in\n"
		"other* messages[1].role=tool\ntool_result messages[1].tool_call_id=i\n"
		"tool_result messages[1].content=r\n"
		"tool_definition* tools[0].type=function\ntool_definition "
		"tools[0].function.name=f\n"
		"tool_definition tools[0].function.description=d\n"
		"tool_definition tools[0].function.parameters.properties.p.enum[0]=e\n" },
	{ "members of a message that OpenAI's Agents SDK writes into its text", OPENAI, NULL,
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
		"\"text\":\"so\",\"role\":\"assistant\",\"refusal\":"
		"null,\"annotations\":[],\"tool_calls\":[{\"function\":{\"arguments\":"
		"\"{\\\"a\\\":\\\"b\\\"}\"}}]}]}]}",
		"other* messages[0].role=assistant\nother* messages[0].content[0].type=text\n"
		"assistant messages[0].content[0].text=so\nother "
		"messages[0].content[0].role=assistant\n"
		"other "
		"messages[0].content[0].tool_calls[0].function.arguments={\"a\":\"b\"}\n" },
	{ "number literals of seven digits are segments, shorter ones not", REST, NULL,
		"[123456,1234567,-1.234567,{\"n\":4111111111111111},1e1,1000.000e0]",
		"other [1]=1234567\nother [2]=-1.234567\nother [3].n=4111111111111111\nother "
		"[5]=1000.000e0\n" },
	{ "a whole number in another spelling is its digits", REST, NULL,
		"[4111111111111111.0,4.111111111111111e15,-4111111111111111E+0,"
		"0.0000001234567e13,1e-7000000]",
		"other [0]=4111111111111111\nother [1]=4111111111111111\n"
		"other [2]=-4111111111111111\nother [3]=1234567\nother [4]=1e-7000000\n" },
	{ "where digits can be read in more than one way, all are text", REST, NULL,
		"[[4111111111111111.5,0.4111111111111111,-0.041111111111111110],"
		"[4111111111111111e99999,4.111111111111111e9999999999999999999999],"
		"[4111111111111111e3,4111111111111111e-3,5.4111111111111111],"
		"[41111111111111115e-1,0.4111111111111111e99,5105105105105100e-2]]",
		"other [0][0]=4111111111111111.5 or 4111111111111111 or 41111111111111115\n"
		"other [0][1]=0.4111111111111111 or 4111111111111111\n"
		"other [0][2]=-0.041111111111111110 or 41111111111111110 or 4111111111111111\n"
		"other [1][0]=4111111111111111e99999 or 4111111111111111\n"
		"other [1][1]=4.111111111111111e9999999999999999999999 or 4111111111111111 or "
		"111111111111111\n"
		"other [2][0]=4111111111111111000 or 4111111111111111\n"
		"other [2][1]=4111111111111111e-3 or 4111111111111 or 4111111111111111\n"
		"other [2][2]=5.4111111111111111 or 54111111111111111 or 4111111111111111\n"
		"other [3][0]=41111111111111115e-1 or 4111111111111111 or 41111111111111115\n"
		"other [3][1]=0.4111111111111111e99 or 4111111111111111\n"
		"other [3][2]=51051051051051 or 5105105105105100\n" },
	{ "fractions of measurements are not, where sixteen stand in a body", REST, NULL,
		"[{\"v\":[0.41234567891,[-1.41234567891,4111111111111111.5],0.4111111111111111,"
		"1.41234567891,2.41234567891,3.41234567891,4.41234567891,5.41234567891,"
		"6.41234567891,7.41234567891,8.41234567891,9.41234567891,1.41234567891]},"
		"0.41234567891,4222222222222222.5,0.41234567891e7,0.41234567891]",
		"other [0].v[0]=0.41234567891\nother [0].v[1][0]=-1.41234567891\n"
		"other [0].v[1][1]=4111111111111111.5 or 4111111111111111\n"
		"other [0].v[2]=0.4111111111111111\nother [0].v[3]=1.41234567891\n"
		"other [0].v[4]=2.41234567891\nother [0].v[5]=3.41234567891\n"
		"other [0].v[6]=4.41234567891\nother [0].v[7]=5.41234567891\n"
		"other [0].v[8]=6.41234567891\nother [0].v[9]=7.41234567891\n"
		"other [0].v[10]=8.41234567891\nother [0].v[11]=9.41234567891\n"
		"other [0].v[12]=1.41234567891\nother [1]=0.41234567891\n"
		"other [2]=4222222222222222.5 or 4222222222222222\n"
		"other [3]=0.41234567891e7 or 4123456\nother [4]=0.41234567891\n" },
	{ "Anthropic: system, blocks, tool use and result, thinking", ANTHROPIC, NULL,
		"{\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":"
		"\"ephemeral\"}}],"
		"\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
		"\"thinking\":\"t\","
		"\"signature\":\"g\"},{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"f\","
		"\"input\":{\"a\":[\"b\"]}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
		"\"i\",\"content\":[{\"type\":"
		"\"text\",\"text\":\"r\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"j\","
		"\"content\":\"q\"}]}]}",
		"system* system[0].type=text\nsystem system[0].text=s\n"
		"other system[0].cache_control.type=ephemeral\n"
		"other* messages[0].role=assistant\nother* "
		"messages[0].content[0].type=thinking\n"
		"assistant messages[0].content[0].thinking=t\nother "
		"messages[0].content[0].signature=g\n"
		"other* messages[0].content[1].type=tool_use\ntool_call "
		"messages[0].content[1].id=i\n"
		"tool_call* messages[0].content[1].name=f\ntool_call "
		"messages[0].content[1].input.a[0]=b\n"
		"other* messages[1].role=user\nother* messages[1].content[0].type=tool_result\n"
		"tool_result messages[1].content[0].tool_use_id=i\n"
		"tool_result* messages[1].content[0].content[0].type=text\n"
		"tool_result messages[1].content[0].content[0].text=r\n"
		"other* messages[1].content[1].type=tool_result\n"
		"tool_result messages[1].content[1].tool_use_id=j\n"
		"tool_result messages[1].content[1].content=q\n" },
	{ "Anthropic: system as a string, a document as text", ANTHROPIC, NULL,
		"{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		"\"document\",\"title\":\"t\","
		"\"source\":{\"type\":\"text\",\"media_type\":\"text/"
		"plain\",\"data\":\"d\"}}]}]}",
		"system system=s\nother* messages[0].role=user\nother* "
		"messages[0].content[0].type=document\n"
		"document messages[0].content[0].title=t\ndocument* "
		"messages[0].content[0].source.type=text\n"
		"document messages[0].content[0].source.media_type=text/plain\n"
		"document messages[0].content[0].source.data=d\n" },
	{ "a form by its Content-Type", REST, "application/x-www-form-urlencoded",
		"a=1&b%40c=x+y%2B&=v&bare&e=<raw \xc3\xa9>",
		"other a=1\nother [\"b@c\"]=x y+\nother [\"\"]=v\nother e=<raw \xc3\xa9>\n" },
	{ "a form that nobody declared", REST, "application/octet-stream",
		"email=a%40b.com&n=2", "other email=a@b.com\nother n=2\n" },
	{ "a form that nobody declared, as a file's line", REST, "text/plain",
		"a=1&b=x%40y\r\n", "other a=1\nother b=x@y\r\n\n" },
	{ "words with an equals sign are text, not a form", REST, NULL, "x = 5 & y = 6",
		"other =x = 5 & y = 6\n" },
	{ "a broken escape in what nobody declared a form is text", REST, "text/plain",
		"a=100%", "other =a=100%\n" },
	{ "text", REST, "text/plain; charset=\"UTF-8\"", "caf\xc3\xa9\n\t",
		"other =caf\xc3\xa9\n\t\n" },
	{ "a lone JSON string is JSON", REST, NULL, " \"a\\u0062\" ", "other =ab\n" },
	{ "a string that does not end is text", REST, NULL, "\"abc", "other =\"abc\n" },
	{ "JSON with any Content-Type", REST, "image/png", "{\"a\":\"b\"}", "other a=b\n" },
	{ "multipart is its parts", REST, "multipart/mixed; boundary=x",
		"--x\r\n\r\nhi\r\n--x--\r\n", "other =hi\n" },
	{ "a +json type", REST, "application/vnd.api+json;v=1;charset=utf8", "\"x\"",
		"other =x\n" },
	{ "keys that are no words are quoted in paths", REST, NULL,
		"{\"a b\":{\"\":\"x\"},\"c.d\":[\"y\"]}",
		"other [\"a b\"][\"\"]=x\nother [\"c.d\"][0]=y\n" },
};

static void
body_is_read_as_segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		struct span in = span_str(reads[i].in);
		char *p = guard_dup(in.p, in.n);
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct buf out;
		size_t sum = 0;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		if (read_body(reads[i].dialect, reads[i].type, span_of(p, in.n), &a, &b, &why))
			fail_msg("%s: refused: %s", reads[i].name, why.why);
		body_dump(&out, &b, span_of(p, in.n), &a, false);
		if (!span_is(buf_view(&out), reads[i].want))
			fail_msg("%s: got\n%.*s", reads[i].name, SPAN_ARG(buf_view(&out)));
		for (size_t s = 0; s < b.nsegments; s++)
			sum += b.segments[s].text.n;
		assert_int_equal(sum, b.inspected_bytes);
		/* Cut anywhere: no crash, and no role left open. */
		for (size_t cut = 0; cut < in.n; cut++) {
			char *q = guard_dup(in.p, cut);
			struct arena c;
			arena_init(&c, 0, false);
			if (read_body(reads[i].dialect, reads[i].type, span_of(q, cut), &c, &b,
				    &why) == 0)
				for (size_t s = 0; s < b.nsegments; s++)
					assert_true(b.segments[s].role < ROLE_COUNT);
			else
				assert_true(why.status >= 400 && why.code && why.why[0]);
			arena_reset(&c);
			guard_free(q, cut);
		}
		arena_reset(&a);
		buf_free(&out);
		guard_free(p, in.n);
	}
}

#define MSG "\"messages\":[{\"role\":\"user\",\"content\":"
static const struct {
	const char *name, *dialect, *type, *in;
	int status;
	const char *code;
} refuses[] = {
	{ "trailing data", OPENAI, NULL, "{} x", 400, "invalid_json" },
	{ "a duplicate key", OPENAI, NULL, "{\"a\":1,\"\\u0061\":2}", 400, "duplicate_key" },
	{ "a lone surrogate", OPENAI, NULL, "{\"a\":\"\\ud800\"}", 400, "invalid_encoding" },
	{ "Latin-1", OPENAI, NULL, "{\"a\":\"\xe9\"}", 400, "invalid_encoding" },
	{ "a byte order mark", REST, "text/plain", "\xef\xbb\xbfhi", 400, "invalid_encoding" },
	{ "a byte order mark before JSON", OPENAI, NULL, "\xef\xbb\xbf{}", 400,
		"invalid_encoding" },
	{ "another charset for JSON", REST, "application/json; charset=utf-16", "{}", 400,
		"unsupported_charset" },
	{ "another charset for text", REST, "text/plain;charset=ISO-8859-1", "hi", 400,
		"unsupported_charset" },
	{ "another charset in a second parameter", REST,
		"text/plain;charset=utf-8; Charset = \"latin1\"", "hi", 400,
		"unsupported_charset" },
	{ "two types in one header", REST, "application/json, text/plain", "{}", 400,
		"ambiguous_content_type" },
	{ "open quotes in the type", REST, "text/plain; x=\"y", "hi", 400,
		"ambiguous_content_type" },
	{ "no JSON where the dialect is JSON", OPENAI, "text/plain", "hello", 400,
		"invalid_json" },
	{ "invalid JSON with a JSON type", REST, "application/json", "hello", 400,
		"invalid_json" },
	{ "invalid JSON by its first byte", REST, "text/plain", " \n{hello}", 400,
		"invalid_json" },
	{ "an array for a form", REST, "application/x-www-form-urlencoded", "[a=b", 400,
		"invalid_json" },
	{ "an empty body for a JSON dialect", ANTHROPIC, NULL, "", 400, "empty_body" },
	{ "white space for JSON", REST, "text/json", " ", 400, "invalid_json" },
	{ "a broken escape in a form", REST, "application/x-www-form-urlencoded", "a=1%4", 400,
		"invalid_form" },
	{ "a form that is not UTF-8", REST, "application/x-www-form-urlencoded", "a=%ff", 400,
		"invalid_encoding" },
	{ "NUL in text", REST, NULL, "s\0s", 403, "unreadable_content" },
	{ "an escape sequence in text", REST, NULL, "\x1b(Bhi", 403, "unreadable_content" },
	{ "bytes that are not UTF-8", REST, "image/png", "\x89PMG", 403, "unreadable_content" },
	{ "a document that is no object", OPENAI, NULL, "[]", 400, "invalid_type" },
	{ "a model that is no string", OPENAI, NULL, "{\"model\":1}", 400, "invalid_type" },
	{ "a model that is null", ANTHROPIC, NULL, "{\"model\":null}", 400, "invalid_type" },
	{ "stream as a string", OPENAI, NULL, "{\"stream\":\"true\"}", 400, "invalid_type" },
	{ "stream as a number", ANTHROPIC, NULL, "{\"stream\":1}", 400, "invalid_type" },
	{ "max_tokens with a fraction", OPENAI, NULL, "{\"max_tokens\":1.0}", 400,
		"invalid_type" },
	{ "max_tokens with an exponent", ANTHROPIC, NULL, "{\"max_tokens\":1e3}", 400,
		"invalid_type" },
	{ "max_tokens below zero", OPENAI, NULL, "{\"max_completion_tokens\":-1}", 400,
		"invalid_type" },
	{ "max_tokens as a string", ANTHROPIC, NULL, "{\"max_tokens\":\"9\"}", 400,
		"invalid_type" },
	{ "max_tokens beyond 64 bits", OPENAI, NULL, "{\"max_tokens\":99999999999999999999}",
		400, "invalid_type" },
	{ "max_tokens beyond 63 bits", OPENAI, NULL, "{\"max_tokens\":9223372036854775808}",
		400, "invalid_value" },
	{ "no choices", OPENAI, NULL, "{\"n\":0}", 400, "invalid_value" },
	{ "messages that are no array", OPENAI, NULL, "{\"messages\":{}}", 400,
		"invalid_type" },
	{ "messages that are null", ANTHROPIC, NULL, "{\"messages\":null}", 400,
		"invalid_type" },
	{ "a message that is no object", OPENAI, NULL, "{\"messages\":[\"hi\"]}", 400,
		"invalid_type" },
	{ "a role that is no string", OPENAI, NULL, "{\"messages\":[{\"role\":1}]}", 400,
		"invalid_type" },
	{ "content that is an object", OPENAI, NULL, "{" MSG "{}}]}", 400, "invalid_type" },
	{ "a part's type that is no string", ANTHROPIC, NULL, "{" MSG "[{\"type\":null}]}]}",
		400, "invalid_type" },
	{ "stream_options that are a list", OPENAI, NULL, "{\"stream_options\":[]}", 400,
		"invalid_type" },
	{ "a key in capitals", OPENAI, NULL, "{\"Model\":\"m\"}", 400, "ambiguous_key" },
	{ "a key in capitals beside the true one", OPENAI, NULL,
		"{\"model\":\"m\",\"MODEL\":\"n\"}", 400, "ambiguous_key" },
	{ "a capital in a message", ANTHROPIC, NULL, "{\"messages\":[{\"Content\":\"x\"}]}",
		400, "ambiguous_key" },
	{ "a capital on the way to a row", OPENAI, NULL,
		"{" MSG "[{\"type\":\"file\",\"File\":{}}]}]}", 400, "ambiguous_key" },
	{ "the long s", OPENAI, NULL,
		"{\"me\xc5\xbf\xc5\xbf"
		"ages\":[]}",
		400, "ambiguous_key" },
	{ "the Kelvin sign, escaped", OPENAI, NULL, "{\"max_to\\u212aens\":1}", 400,
		"ambiguous_key" },
};

static void
invalid_body_is_refused_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refuses) / sizeof(refuses[0]); i++) {
		struct span in = span_str(refuses[i].in);
		struct arena a;
		struct body b;
		struct body_refusal why;

		if (!strcmp(refuses[i].name, "NUL in text"))
			in.n = 3;
		char *p = guard_dup(in.p, in.n);
		arena_init(&a, 0, false);
		int err = read_body(
			refuses[i].dialect, refuses[i].type, span_of(p, in.n), &a, &b, &why);
		if (!err || why.status != refuses[i].status ||
			strcmp(why.code, refuses[i].code))
			fail_msg("%s: %d, %d %s %s", refuses[i].name, err, why.status, why.code,
				why.why);
		assert_true(why.unreadable == (why.status == 403));
		assert_true(why.at <= in.n);
		arena_reset(&a);
		guard_free(p, in.n);
	}
}

static void
null_or_absent_members_are_valid(void **state)
{
	static const char *const fine[] = {
		"{}",
		"{\"messages\":[]}",
		"{\"stream\":null,\"max_tokens\":null,\"n\":null,\"stream_options\":null}",
		"{\"max_tokens\":0}",
		"{" MSG "null}]}",
		"{\"MODELZ\":1,\"x\":{\"Model\":2}}",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":null}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		struct arena a;
		struct body b;
		struct body_refusal why;
		arena_init(&a, 0, false);
		if (read_body(OPENAI, NULL, span_str(fine[i]), &a, &b, &why))
			fail_msg("%s: %s", fine[i], why.why);
		arena_reset(&a);
	}
}

static void
request_has_its_facts(void **state)
{
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct span in =
		SPAN_LIT("{\"max_tokens\":10,\"model\":\"gpt\\u002d4\",\"stream\":true,\"n\":3,"
			 "\"max_completion_tokens\":700,\"temperature\":0.5,\"stream_options\":"
			 "{\"include_usage\":true},"
			 "\"user\":\"u\",\"logprobs\":false,\"seed\":null,\"messages\":[{"
			 "\"tool_calls\":[{\"function\":"
			 "{\"name\":\"f\"}},{\"custom\":{\"name\":\"g\"}}]}]}");

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(read_body(OPENAI, NULL, in, &a, &b, &why), 0);
	assert_int_equal(b.format, BODY_JSON);
	assert_true(span_is(b.model, "gpt-4"));
	assert_true(b.stream && b.wants_usage);
	assert_int_equal(b.output_cap_tokens, 700);
	assert_int_equal(b.choices, 3);
	assert_int_equal(b.ntools, 2);
	assert_true(span_is(b.tools[0], "f") && span_is(b.tools[1], "g"));
	struct {
		const char *name;
		int kind;
		const char *text;
	} params[] = {
		{ "max_tokens", PARAM_NUMBER, "10" },
		{ "model", PARAM_STRING, "gpt-4" },
		{ "stream", PARAM_BOOL, "true" },
		{ "n", PARAM_NUMBER, "3" },
		{ "max_completion_tokens", PARAM_NUMBER, "700" },
		{ "temperature", PARAM_NUMBER, "0.5" },
		{ "user", PARAM_STRING, "u" },
		{ "logprobs", PARAM_BOOL, "false" },
		{ "seed", PARAM_NULL, "null" },
	};
	assert_int_equal(b.nparams, sizeof(params) / sizeof(params[0]));
	for (size_t i = 0; i < b.nparams; i++) {
		assert_true(span_is(b.params[i].name, params[i].name));
		assert_int_equal(b.params[i].kind, params[i].kind);
		assert_true(span_is(b.params[i].text, params[i].text));
	}
	/* Every value refers to the key that names it. */
	for (size_t i = 0; i < b.nsegments; i++)
		if (b.segments[i].role != ROLE_KEY)
			assert_int_equal(b.segments[b.segments[i].key].role, ROLE_KEY);

	assert_int_equal(read_body(REST, NULL, SPAN_LIT("{\"model\":1}"), &a, &b, &why), 0);
	assert_true(b.model.n == 0 && b.output_cap_tokens == -1 && b.choices == 1 && !b.stream);
	assert_int_equal(read_body(REST, NULL, SPAN_LIT(""), &a, &b, &why), 0);
	assert_int_equal(b.format, BODY_EMPTY);
	arena_reset(&a);
}

static void
value_has_the_names_of_its_enclosing_objects(void **state)
{
	static const struct {
		const char *dialect, *body, *names[3]; /* names of the strings "v", in order */
	} rows[] = {
		{ "rest", "{\"ssn\":\"v\"}", { "ssn" } },
		{ "rest", "{\"customer\":{\"ssn\":{\"value\":\"v\"}}}",
			{ "customer ssn value" } },
		{ "rest", "{\"phones\":[\"v\",{\"no\":\"v\"}],\"x\":\"v\"}",
			{ "phones", "phones no", "x" } },
		{ "rest", "[\"v\"]", { "" } },
		{ "rest", "{\"\":{\"a\":\"v\"}}", { " a" } },
		/* A name that does not fit is left out whole, except the value's own. */
		{ "rest",
			"{\"a_name_that_is_sixty_bytes_long_and_leaves_room_for_no_more_ok\":{"
			"\"ab\":{"
			"\"c\":\"v\"}}}",
			{ "ab c" } },
		{ "rest",
			"{\"a\":{\"a_name_that_is_longer_than_what_there_is_room_for_at_all_"
			"and_stands_"
			"alone\":\"v\"}}",
			{ "a_name_that_is_longer_than_what_there_is_room_for_at_all_and_stands_"
			  "alone" } },
		/* The dialect's own keys are not names that a user wrote. */
		{ "openai",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"v\"}]"
			"}",
			{ "content" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct body b;
		struct body_refusal why;
		char room[SEGMENT_NAMES];
		size_t n = 0;
		arena_init(&a, 0, false);
		assert_int_equal(
			read_body(rows[i].dialect, NULL, span_str(rows[i].body), &a, &b, &why),
			0);
		for (size_t k = 0; k < b.nsegments; k++) {
			struct span got = segment_names(b.segments, &b.segments[k], room);
			if (b.segments[k].role == ROLE_KEY)
				assert_int_equal(got.n, 0);
			else if (span_is(b.segments[k].text, "v"))
				assert_true(span_is(got, rows[i].names[n++]));
		}
		assert_true(n > 0 && (n == 3 || !rows[i].names[n]));
		arena_reset(&a);
	}
}

static void
keys_are_segments(void **state)
{
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct buf out;
	struct span in = SPAN_LIT("{\"model\":\"m\",\"a\\u0040b\":{\"c\":[1]}}");

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(read_body(OPENAI, NULL, in, &a, &b, &why), 0);
	body_dump(&out, &b, in, &a, true);
	assert_true(span_is(buf_view(&out),
		"key* model=model\nother* model=m\nkey [\"a@b\"]=a@b\nkey [\"a@b\"].c=c\n"));
	buf_free(&out);
	arena_reset(&a);
}

/* {"type":"…"} parts: which are opaque, and which are text. */
static void
unknown_parts_are_opaque(void **state)
{
	char base64[301], slashes[301];
	struct arena a;
	struct body b;
	struct body_refusal why;

	(void)state;
	memset(base64, 'A', 300);
	base64[300] = 0;
	memset(slashes, '/', 300);
	slashes[300] = 0;
	const struct {
		const char *name, *dialect, *before, *data, *after;
		const char *media; /* "": no media type */
		bool opaque;
		const char *text; /* the segment that contains the data; NULL: all of it */
	} rows[] = {
		{ "a data URI of an image", OPENAI,
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
			"png;base64,",
			base64, "\"}}", "image", true, "data:image/png;base64," },
		{ "the type may come last", OPENAI,
			"{\"image_url\":{\"url\":\"data:image/png;base64,", base64,
			"\"},\"type\":\"image_url\"}", "image", true,
			"data:image/png;base64," },
		{ "an image by URL is a reference and text", OPENAI,
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/", base64,
			"\"}}", "", false, NULL },
		{ "a URL next to an image", OPENAI,
			"{\"type\":\"file\",\"file\":{\"file_id\":\"f\",\"file_data\":\"",
			base64, "\"}}", "file", true, "" },
		{ "a URL next to an image in lines", OPENAI,
			"{\"type\":\"file\",\"file\":{\"file_id\":\"f\",\"file_data\":\""
			"iVBORw0K\\n",
			base64, "\"}}", "file", false, NULL },
		{ "a URL next to a small one", "bedrock",
			"{\"image\":{\"format\":\"png\",\"source\":{\"s3Location\":{\"uri\":"
			"\"s3://x\"},\"bytes\":\"",
			"AAAA", "\"}}}", "image", false, NULL },
		{ "a data URI that only a URL's reader knows", OPENAI,
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\" da\\nta:image/"
			"png;base64,",
			base64, "\"}}", "image", false, NULL },
		{ "an image where its URL should be", OPENAI,
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"iVBORw0K\\n", base64,
			"\"}}", "image", false, NULL },
		{ "short data is text too", OPENAI,
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
			"png;base64,",
			"AAAA", "\"}}", "image", false, NULL },
		{ "data that is no base64 is text too", OPENAI,
			"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"secret: ",
			base64, "\"}}", "audio", false, NULL },
		{ "audio", OPENAI,
			"{\"type\":\"input_audio\",\"input_audio\":{\"format\":\"wav\","
			"\"data\":\"",
			base64, "\"}}", "audio", true, "" },
		{ "base64 with escaped slashes", OPENAI,
			"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"\\/", slashes,
			"\"}}", "audio", true, "" },
		{ "a file", OPENAI,
			"{\"type\":\"file\",\"file\":{\"filename\":\"f\",\"file_data\":\"data:"
			"application/pdf;base64,",
			base64, "\"}}", "file", true, "data:application/pdf;base64," },
		{ "an unknown part is opaque and all its strings are text", OPENAI,
			"{\"type\":\"hologram\",\"image_url\":{\"url\":\"data:image/"
			"png;base64,",
			base64, "\"}}", "unknown", false, NULL },
		{ "a part without a type is unknown", OPENAI, "{\"text\":\"", base64, "\"}",
			"unknown", false, NULL },
		{ "a data URI in a text part is opaque, and text all the same", OPENAI,
			"{\"type\":\"text\",\"image_url\":{\"url\":\"data:image/png;base64,",
			base64, "\"}}", "image", false, NULL },
		{ "another member of an image is text", OPENAI,
			"{\"type\":\"image_url\",\"caption\":\"", base64, "\"}", "image", false,
			NULL },
		{ "Anthropic's image", ANTHROPIC,
			"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"",
			base64, "\"}}", "image", true, "" },
		{ "Anthropic's PDF", ANTHROPIC, "{\"source\":{\"data\":\"", base64,
			"\",\"type\":\"base64\"},\"type\":\"document\"}", "file", true, "" },
		{ "Anthropic's text document without a space in it", ANTHROPIC,
			"{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"",
			base64, "\"}}", "", false, NULL },
		{ "an image in a document", ANTHROPIC,
			"{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{"
			"\"type\":"
			"\"image\",\"source\":{\"type\":\"base64\",\"data\":\"",
			base64, "\"}}]}}", "image", true, "" },
		{ "an image in a document in a tool's result", ANTHROPIC,
			"{\"type\":\"tool_result\",\"content\":[{\"type\":\"document\","
			"\"source\":{\"type\":"
			"\"content\",\"content\":[{\"source\":{\"data\":\"",
			base64, "\"},\"type\":\"image\"}]}}]}", "image", true, "" },
		{ "an image in a tool's result", ANTHROPIC,
			"{\"type\":\"tool_result\",\"content\":[{\"type\":\"image\",\"source\":"
			"{\"type\":\"base64\",\"data\":\"",
			base64, "\"}}]}", "image", true, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf in;
		const struct segment *s = NULL;
		arena_init(&a, 0, false);
		buf_init(&in, 0);
		buf_printf(&in, "{" MSG "[%s%s%s]}]}", rows[i].before, rows[i].data,
			rows[i].after);
		struct span raw = buf_view(&in);
		size_t at = (size_t)((char *)memmem(
					     raw.p, raw.n, rows[i].data, strlen(rows[i].data)) -
				     raw.p);
		if (read_body(rows[i].dialect, NULL, raw, &a, &b, &why))
			fail_msg("%s: %s", rows[i].name, why.why);
		for (size_t k = 0; k < b.nsegments; k++)
			if (b.segments[k].start <= at && b.segments[k].role != ROLE_KEY)
				s = &b.segments[k];
		bool media = rows[i].media[0]
				     ? b.unread.nmedia == 1 &&
					       span_is(b.unread.media[0].kind, rows[i].media)
				     : b.unread.nmedia == 0;
		if (!media || s->opaque != rows[i].opaque ||
			(rows[i].text && !span_is(s->text, rows[i].text)) ||
			(!rows[i].text && !span_ends(s->text, span_str(rows[i].data))))
			fail_msg("%s: media %zu, text %.*s", rows[i].name, b.unread.nmedia,
				SPAN_ARG(s->text));
		assert_true((b.unread.bytes > 0) == (rows[i].media[0] != 0));
		assert_true(s->end <= raw.n && (s->opaque ? s->end <= at + 1 : s->end > at));
		buf_free(&in);
		arena_reset(&a);
	}
}

/* Parts with the data of one file, and parts in which another member has as much data. */
static void
part_has_the_data_of_one_file(void **state)
{
#define DATA                                                                                   \
	"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
#define PART_IS "{" MSG "[{\"type\":\"file\",\"file\":{\"file_data\":\"" DATA "\""
	static const struct {
		const char *in;
		bool known;
	} rows[] = {
		{ PART_IS "}}]}]}", true },
		{ PART_IS ",\"filename\":\"a.png\"},\"detail\":\"low\"}]}]}", true },
		{ PART_IS ",\"filename\":\"" DATA "\"}}]}]}", false },
		{ PART_IS "},\"note\":\"see " DATA " there\"}]}]}", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		struct body b;
		struct body_refusal why;
		arena_init(&a, 0, false);
		assert_int_equal(
			read_body(OPENAI, NULL, span_str(rows[i].in), &a, &b, &why), 0);
		assert_int_equal(b.unread.nmedia, 1);
		assert_int_equal(b.unread.media[0].data.p != NULL, rows[i].known);
		assert_true(b.unread.media[0].part);
		arena_reset(&a);
	}
}

static void
nesting_and_segments_are_limited(void **state)
{
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	buf_str(&in, "{\"messages\":[");
	for (int i = 0; i < 200; i++)
		buf_str(&in, "[");
	arena_init(&a, 0, false);
	assert_true(read_body(REST, NULL, buf_view(&in), &a, &b, &why) < 0);
	assert_int_equal(why.status, 400);
	arena_reset(&a);

	buf_clear(&in);
	buf_str(&in, "[\"\"");
	for (int i = 0; i < CAP_JSON_NODES; i++)
		buf_str(&in, ",\"\"");
	buf_str(&in, "]");
	assert_true(read_body(REST, NULL, buf_view(&in), &a, &b, &why) < 0);
	assert_int_equal(why.status, 413);
	assert_string_equal(why.code, "request_too_complex");
	arena_reset(&a);

	/* The largest permitted body fits into a request's arena. */
	in.n = 0;
	buf_str(&in, "{\"a\":[\"\\n\"");
	for (int i = 0; i < CAP_JSON_NODES - 4; i++)
		buf_str(&in, ",\"\\n\"");
	buf_str(&in, "]}");
	arena_init(&a, CAP_REQUEST_ARENA, false);
#ifndef TG_SANITIZE
	assert_int_equal(read_body(REST, NULL, buf_view(&in), &a, &b, &why), 0);
	assert_int_equal(b.nsegments, CAP_JSON_NODES - 2);
#endif
	arena_reset(&a);

	/* With a smaller arena the body is refused, without a crash. */
	for (size_t cap = 1; cap < 60000; cap += 1999) {
		arena_init(&a, cap, false);
		if (read_body(REST, NULL,
			    SPAN_LIT("{\"a\":\"\\n\",\"b\":[12345678,{\"c\":\"x\"}]}"), &a, &b,
			    &why))
			assert_true(why.status == 413 && arena_failed(&a));
		arena_reset(&a);
	}
	buf_free(&in);
}

static void
dialect_is_found_by_name_and_path(void **state)
{
	(void)state;
	assert_string_equal(dialect_names(),
		"openai, anthropic, gemini, bedrock, cohere, mistral, ollama, tgi, mcp, rest");
	assert_string_equal(
		dialect_name(dialect_for_path(SPAN_LIT("/v1/chat/completions"), false)),
		OPENAI);
	assert_string_equal(dialect_name(dialect_for_path(
				    SPAN_LIT("/openai/deployments/x/chat/completions"), false)),
		OPENAI);
	assert_string_equal(
		dialect_name(dialect_for_path(SPAN_LIT("/v1/messages"), false)), ANTHROPIC);
	assert_string_equal(
		dialect_name(dialect_for_path(SPAN_LIT("/v1/models"), false)), REST);
	assert_null(dialect_find(SPAN_LIT("OpenAI")));
	assert_true(dialect_has_model(dialect_find(SPAN_LIT("openai"))));
	assert_false(dialect_has_model(dialect_find(SPAN_LIT("rest"))));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_is_read_as_segments),
		cmocka_unit_test(invalid_body_is_refused_with_its_place),
		cmocka_unit_test(null_or_absent_members_are_valid),
		cmocka_unit_test(request_has_its_facts),
		cmocka_unit_test(keys_are_segments),
		cmocka_unit_test(value_has_the_names_of_its_enclosing_objects),
		cmocka_unit_test(unknown_parts_are_opaque),
		cmocka_unit_test(part_has_the_data_of_one_file),
		cmocka_unit_test(nesting_and_segments_are_limited),
		cmocka_unit_test(dialect_is_found_by_name_and_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
