/* `login` of a route and `scope` of a denial: every error is refused with its place, and valid
 * settings are compiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/policy_fix.h"

#define H POLICY_HEAD
#define LOGIN(match, login)                                                                    \
	"tollgate: 1\nname: t\nproviders: {m: {backend: openai, dialect: mcp}, r: {backend: "  \
	"local, dialect: rest}}\nroutes: [{name: a, match: {" match                            \
	"}, targets: m, login: {" login "}}]\n"
#define AS "authorization_servers: ['https://l.example']"

static const struct policy_mistake rows[] = {
	{ "a login of a route to no MCP server",
		"tollgate: 1\nname: t\nproviders: {r: {backend: local, dialect: "
		"rest}}\nroutes: [{name: "
		"a, match: {path: /}, targets: r, login: {" AS "}}]\n",
		":4:50: login: the route has no provider with dialect: mcp, and clients of "
		"other dialects do" },
	{ "a login without issuers", LOGIN("host: h.example, path: /mcp", "scope: a"),
		":4:70: login: authorization_servers is missing" },
	{ "an issuer without https",
		LOGIN("host: h.example, path: /mcp",
			"authorization_servers: ['http://l.example']"),
		":4:102: authorization_servers: http://l.example must begin with https:// "
		"(http:// is accepted" },
	{ "an issuer of another scheme",
		LOGIN("host: h.example, path: /mcp", "authorization_servers: ['l.example']"),
		":4:102: authorization_servers: l.example must begin with https://" },
	{ "an issuer with a quote",
		LOGIN("host: h.example, path: /mcp",
			"authorization_servers: ['https://l.example/\"']"),
		":4:102: authorization_servers: https://l.example/\" contains a character that "
		"must be written" },
	{ "a login that does not say what is dialled", LOGIN("path: /mcp", AS),
		":4:53: login: resource is missing" },
	{ "nor of two paths", LOGIN("host: h.example, path: [/a, /b]", AS),
		":4:74: login: resource is missing" },
	{ "nor of any host below one", LOGIN("host: '*.h.example', path: /a", AS),
		":4:72: login: resource is missing" },
	{ "a resource with the path left out",
		LOGIN("host: h.example, path: /mcp", AS ", resource: 'https://h.example'"),
		":4:134: resource: https://h.example must begin with /" },
	{ "a resource that is the root",
		LOGIN("host: h.example, path: /mcp", AS ", resource: 'https://h.example/'"),
		":4:134: resource: https://h.example/ has a path that is not one of this "
		"route's" },
	{ "a resource of another host",
		LOGIN("host: h.example, path: /mcp", AS ", resource: 'https://i.example/mcp'"),
		":4:134: resource: https://i.example/mcp has a host that is not one of this "
		"route's" },
	{ "a resource with a query",
		LOGIN("host: h.example, path: /mcp",
			AS ", resource: 'https://h.example/mcp?x'"),
		":4:134: resource: https://h.example/mcp?x must be a path without query and "
		"fragment" },
	{ "a resource with userinfo",
		LOGIN("host: h.example, path: /mcp",
			AS ", resource: 'https://u@h.example/mcp'"),
		":4:134: resource: https://u@h.example/mcp has no host in lower case" },
	{ "a resource with a port that is none",
		LOGIN("host: h.example, path: /mcp",
			AS ", resource: 'https://h.example:0/mcp'"),
		":4:134: resource: https://h.example:0/mcp must have a port from 1 to 65535" },
	{ "a scope with a quote",
		LOGIN("host: h.example, path: /mcp", AS ", scopes_supported: ['a\"b']"),
		":4:143: scopes_supported: a scope of printable characters is expected, found "
		"a\"b" },
	{ "two blanks between scopes",
		LOGIN("host: h.example, path: /mcp", AS ", scope: 'a  b'"),
		":4:131: scope: printable words with one space between them, at most 256 "
		"bytes, are expected," },
	{ "a missing scope with another status",
		H "rules: [{name: a, deny: {status: 401, scope: a}}]\n",
		":5:39: scope: needs status: 403, found 401" },
	{ "a missing scope of an answer",
		H "rules: [{name: a, phase: response, deny: {scope: a}}]\n",
		":5:43: scope: a response cannot lack a scope: use phase: request or tool" },
	{ "a missing scope as a result",
		H "rules: [{name: a, phase: tool, deny: {scope: a, as: error}}]\n",
		":5:49: as: a missing scope is reported by HTTP 403, so that the client logs "
		"in again: remove" },
	{ "a missing scope that is empty", H "rules: [{name: a, deny: {scope: ''}}]\n",
		":5:33: scope: printable words with one space between them, at most 256 bytes, "
		"are expected," },
};

static void
error_in_a_login_has_its_position(void **state)
{
	(void)state;
	assert_int_equal(fix_mistakes(rows, COUNT_OF(rows)), 0);
}

/* The URL that clients use, the place of the metadata document, and the Host of the route. */
static void
metadata_document_follows_from_the_route(void **state)
{
	static const struct {
		const char *text, *resource, *metadata, *host, *scope;
	} good[] = {
		{ LOGIN("host: h.example, path: /mcp", AS), "https://h.example/mcp",
			"https://h.example/.well-known/oauth-protected-resource/mcp",
			"h.example", "" },
		{ LOGIN("path: /mcp", AS ", resource: 'https://h.example:8443/mcp', "
					 "scopes_supported: [a, b]"),
			"https://h.example:8443/mcp",
			"https://h.example:8443/.well-known/oauth-protected-resource/mcp",
			"h.example", "a b" },
		{ LOGIN("host: h.example, path: /", AS ", scope: a, scopes_supported: [a, b]"),
			"https://h.example/",
			"https://h.example/.well-known/oauth-protected-resource", "h.example",
			"a" },
		{ LOGIN("path_prefix: /mcp/", AS ", resource: 'http://[::1]:80/mcp/x'"),
			"http://[::1]:80/mcp/x",
			"http://[::1]:80/.well-known/oauth-protected-resource/mcp/x", "[::1]",
			"" },
		{ LOGIN("host: '*.example', path: /mcp",
			  AS ", resource: 'https://h.example/mcp'"),
			"https://h.example/mcp",
			"https://h.example/.well-known/oauth-protected-resource/mcp",
			"*.example", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct policy_fix f;
		fix_must_load(&f, good[i].text);
		const struct route *r = &f.p->routes[0];
		assert_true(f.p->logs_in);
		assert_string_equal(r->login->resource, good[i].resource);
		assert_string_equal(r->login->metadata, good[i].metadata);
		assert_string_equal(r->login->scope, good[i].scope);
		assert_int_equal(r->nhosts, 1);
		assert_string_equal(r->hosts[0], good[i].host);
		fix_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_in_a_login_has_its_position),
		cmocka_unit_test(metadata_document_follows_from_the_route),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
