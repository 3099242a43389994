/* How requests reach a frontend, by its file: sockets, hosts, and rules that may have
 * answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/scoped.h"
#include "operator/edge/reach.h"

static const struct haproxy_section *
front_of(struct haproxy *h, const char *lines)
{
	char text[4096];

	haproxy_init(h);
	snprintf(text, sizeof(text), "defaults\n\tmode http\nfrontend f\n%s", lines);
	assert_int_equal(haproxy_read_text(h, "f.cfg", span_str(text)), 0);
	haproxy_resolve(h);
	return &h->section[1];
}

static void
sockets_are_read_from_bind_lines(void **state)
{
	static const struct {
		const char *bind, *want;
	} rows[] = {
		{ ":80", "127.0.0.1 80" },
		{ "*:443 ssl crt a.pem alpn h2,http/1.1", "127.0.0.1 443 tls" },
		{ "0.0.0.0:8000-8010", "127.0.0.1 8000" },
		{ "203.0.113.1:80,203.0.113.2:81", "203.0.113.1 80; 203.0.113.2 81" },
		{ "[::]:80", "[::1] 80" },
		{ "[::]:80 v4v6", "127.0.0.1 80" },
		{ ":::80", "[::1] 80" },
		{ "ipv6@:80", "[::1] 80" },
		{ "2001:db8::1:80", "[2001:db8::1] 80" },
		{ "ipv4@127.0.0.2:80", "127.0.0.2 80" },
		{ "unix@/run/f.sock mode 600", "/run/f.sock 0" },
		{ "/run/f.sock", "/run/f.sock 0" },
		{ ":80 accept-proxy", "127.0.0.1 80 proxied" },
		{ ":80 proto h2", "127.0.0.1 80 h2" },
		{ ":443 ssl crt a.pem alpn h2", "127.0.0.1 443 tls h2" },
		{ "quic4@:443 ssl crt a.pem alpn h3",
			"127.0.0.1 443 tls (the socket is a QUIC socket)" },
		{ ":443 ssl crt a.pem ca-file c.pem verify required",
			"127.0.0.1 443 tls (the socket requires a client certificate)" },
		{ "fd@${FD}", "" },
		{ "abns@f", "" },
		{ "unix@/run/tollgate/inner.sock name tollgate-inner", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct haproxy h;
		struct reach_place p[8];
		char line[256];
		snprintf(line, sizeof(line), "\tbind %s\n", rows[i].bind);
		size_t n = reach_places(&h, front_of(&h, line), &h.arena, p, COUNT_OF(p));
		SCOPED_BUF(got, 4096);
		for (size_t k = 0; k < n; k++) {
			buf_printf(&got, "%s%s %u%s%s%s", k ? "; " : "", p[k].address,
				p[k].port, p[k].tls ? " tls" : "",
				p[k].proxied ? " proxied" : "", p[k].http2 ? " h2" : "");
			if (p[k].no)
				buf_printf(&got, " (%s)", p[k].no);
		}
		if (!span_is(buf_view(&got), rows[i].want))
			fail_msg("%s: \"%.*s\", not \"%s\"", rows[i].bind,
				SPAN_ARG(buf_view(&got)), rows[i].want);
		haproxy_free(&h);
	}
}

/* `bind abns@web` is reached through the tcp frontend that passes connections on to it. */
static void
sockets_behind_a_tcp_frontend_are_the_tcp_frontend_s(void **state)
{
	static const char file[] =
		"defaults\n\tmode http\n"
		"listen other\n\tmode tcp\n\tbind :90\n\tserver o 192.0.2.1:90\n"
		"listen all\n\tmode tcp\n\tbind :91\n\tserver w abns@web\n"
		"frontend tls\n\tmode tcp\n\tbind :443,192.0.2.7:443 accept-proxy\n"
		"\tuse_backend to_web if { req.ssl_sni web }\n\tdefault_backend elsewhere\n"
		"backend to_web\n\tmode tcp\n\tserver w abns@web send-proxy-v2\n"
		"backend elsewhere\n\tmode tcp\n\tserver e 192.0.2.9:443\n"
		"frontend f\n\tbind abns@web accept-proxy ssl crt a.pem\n"
		"\tfilter spoe engine tollgate config spoe.cfg\n";
	struct haproxy h;
	struct reach_place p[8];

	(void)state;
	haproxy_init(&h);
	assert_int_equal(haproxy_read_text(&h, "t", span_str(file)), 0);
	haproxy_resolve(&h);
	const struct haproxy_section *s = &h.section[h.n - 1];
	assert_int_equal(reach_places(&h, s, &h.arena, p, COUNT_OF(p)), 3);
	static const struct {
		const char *address;
		unsigned port;
		bool proxied;
	} want[] = { { "127.0.0.1", 91, false }, { "127.0.0.1", 443, true },
		{ "192.0.2.7", 443, true } };
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(p[i].address, want[i].address);
		assert_int_equal(p[i].port, want[i].port);
		assert_int_equal(p[i].proxied, want[i].proxied);
		assert_true(p[i].tls);
		assert_ptr_equal(p[i].front, s);
	}
	assert_int_equal(reach_places(&h, s, &h.arena, p, 2), 2);
	haproxy_free(&h);
}

static void
hosts_are_read_from_the_acl(void **state)
{
	static const struct {
		const char *lines, *want;
	} rows[] = {
		{ "\tacl tollgate req.hdr(host),host_only,rtrim(.) -i AI.example.com "
		  "b.example.com\n",
			"ai.example.com b.example.com" },
		{ "\tacl tollgate hdr(host) -i a\n\tacl tollgate hdr(host) -i b a\n", "a b" },
		{ "\tacl tollgate req.hdr(host) -m str -i a\n", "a" },
		{ "\tacl tollgate req.hdr(host) -m end .example.com\n", "unknown" },
		{ "\tacl tollgate hdr_beg(host) ai.\n\tacl tollgate hdr(host) a\n",
			"a unknown" },
		{ "\tacl tollgate req.hdr(host),map(/h.map) ai\n", "unknown" },
		{ "\tacl tollgate so_name ai\n", "all" },
		{ "\tacl tollgate dst_port 8443\n", "all" },
		{ "", "all" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct haproxy h;
		const char *host[8];
		bool all, unknown;
		size_t n = reach_hosts(
			front_of(&h, rows[i].lines), &h.arena, host, 8, &all, &unknown);
		SCOPED_BUF(got, 4096);
		for (size_t k = 0; k < n; k++)
			buf_printf(&got, "%s ", host[k]);
		buf_printf(&got, "%s%s", all ? "all " : "", unknown ? "unknown" : "");
		if (!span_is(span_trim(buf_view(&got), " "), rows[i].want))
			fail_msg("%s: \"%.*s\", not \"%s\"", rows[i].lines,
				SPAN_ARG(buf_view(&got)), rows[i].want);
		haproxy_free(&h);
	}
}

static void
acl_of_binds_selects_sockets(void **state)
{
	struct haproxy h;
	struct reach_place p[4];

	(void)state;
	const struct haproxy_section *s =
		front_of(&h, "\tbind :80\n\tbind :81 name ai\n\tacl tollgate so_name ai\n");
	assert_int_equal(reach_places(&h, s, &h.arena, p, 4), 2);
	assert_false(reach_passes(&p[0]));
	assert_true(reach_passes(&p[1]));
	haproxy_free(&h);
	s = front_of(&h, "\tbind :80\n\tbind :81\n\tacl tollgate dst_port 81\n");
	assert_int_equal(reach_places(&h, s, &h.arena, p, 4), 2);
	assert_false(reach_passes(&p[0]));
	assert_true(reach_passes(&p[1]));
	haproxy_free(&h);
}

static void
rules_that_may_answer_are_listed(void **state)
{
	static const char lines[] =
		"\thttp-request redirect scheme https code 301 unless { ssl_fc }\n" /* line 4 */
		/* line 5 */
		"\thttp-request redirect prefix https://w code 301 if { path /x }\n"
		"\thttp-request redirect location /new if { path /old }\n" /* line 6 */
		"\thttp-request deny if { src 10.0.0.0/8 }\n"		   /* line 7 */
		"\thttp-request deny deny_status 429 if { path /a } !{ so_name tollgate-inner "
		"}\n"
		"\thttp-request return status 429 if { path /b }\n"	    /* line 9 */
		"\thttp-request auth if { path /c }\n"			    /* line 10 */
		"\thttp-request tarpit if { path /d }\n"		    /* line 11 */
		"\tredirect location https://w/y code 308 if { path /y }\n" /* line 12 */
		"\thttp-request return status 503 if { var(txn.tollgate.via) -m found }\n"
		"\thttp-request return if { path /e }\n"; /* line 14 */
	static const struct {
		int status;
		const char *location;
		bool second;
		const char *want;
	} rows[] = {
		{ 301, "https://h/x", false, "f.cfg:4" },
		{ 301, "https://w/x", true, "f.cfg:4 or f.cfg:5" },
		{ 302, "/new", false, "f.cfg:6" },
		{ 302, "/other", false, "" },
		{ 403, "", false, "f.cfg:7" },
		{ 429, "", false, "f.cfg:8 or f.cfg:9" },
		{ 429, "", true, "f.cfg:9" },
		{ 401, "", false, "f.cfg:10" },
		{ 500, "", false, "f.cfg:11" },
		{ 308, "https://w/y", false, "f.cfg:12" },
		{ 503, "", false, "" },
		{ 200, "", false, "f.cfg:14" },
	};
	struct haproxy h;
	const struct haproxy_section *s = front_of(&h, lines);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_BUF(got, 4096);
		reach_rules(
			s, rows[i].status, span_str(rows[i].location), rows[i].second, &got);
		if (!span_is(buf_view(&got), rows[i].want))
			fail_msg("%d %s: \"%.*s\", not \"%s\"", rows[i].status,
				rows[i].location, SPAN_ARG(buf_view(&got)), rows[i].want);
	}
	haproxy_free(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_are_read_from_bind_lines),
		cmocka_unit_test(sockets_behind_a_tcp_frontend_are_the_tcp_frontend_s),
		cmocka_unit_test(hosts_are_read_from_the_acl),
		cmocka_unit_test(acl_of_binds_selects_sockets),
		cmocka_unit_test(rules_that_may_answer_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
