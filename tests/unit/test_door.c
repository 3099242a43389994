/* Admission to the admin server: by credential, with which role and for how long. Without a
 * server: the test plays libmicrohttpd. tests/unit/test_admin.c sends requests to a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/log.h"
#include "operator/admin/access.h"
#include "operator/admin/door.h"
#include "operator/admin/sessions.h"
#include "operator/server/server.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

/* ---- libmicrohttpd ---- */

static const char *const *fields_of; /* header fields as "name: value"; NULL ends them */
static struct sockaddr_in from;
static int unix_fd;
static unsigned answered;
static char cookie_set[256];

const char *
MHD_lookup_connection_value(
	struct MHD_Connection *c UNUSED, enum MHD_ValueKind kind UNUSED, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; fields_of && fields_of[i]; i++)
		if (!strncasecmp(fields_of[i], key, n) && fields_of[i][n] == ':')
			return fields_of[i] + n + 2;
	return NULL;
}

const union MHD_ConnectionInfo *
MHD_get_connection_info(struct MHD_Connection *c UNUSED, enum MHD_ConnectionInfoType type, ...)
{
	static union MHD_ConnectionInfo info;

	if (type == MHD_CONNECTION_INFO_CONNECTION_FD)
		info.connect_fd = unix_fd;
	else if (type == MHD_CONNECTION_INFO_CLIENT_ADDRESS)
		info.client_addr = (struct sockaddr *)&from;
	else
		return NULL;
	return &info;
}

struct MHD_Response *
MHD_create_response_from_buffer(
	size_t n UNUSED, void *p UNUSED, enum MHD_ResponseMemoryMode mode UNUSED)
{
	return (void *)cookie_set;
}

enum MHD_Result
MHD_add_response_header(struct MHD_Response *r UNUSED, const char *name, const char *value)
{
	if (!strcmp(name, "set-cookie"))
		snprintf(cookie_set, sizeof(cookie_set), "%s", value);
	return MHD_YES;
}

enum MHD_Result
MHD_queue_response(
	struct MHD_Connection *c UNUSED, unsigned status, struct MHD_Response *r UNUSED)
{
	answered = status;
	return MHD_YES;
}

void
MHD_destroy_response(struct MHD_Response *r UNUSED)
{
}

/* ---- a listener ---- */

enum { VIEWER, OPERATOR, AUDITOR, TOKENS };
static const unsigned token_roles[TOKENS] = { ROLE_VIEWER, ROLE_VIEWER | ROLE_OPERATOR,
	ROLE_VIEWER | ROLE_AUDITOR };
static char token[TOKENS][TOKEN_TEXT], bearer[TOKENS][TOKEN_TEXT + 32];
static struct admin_tokens *tokens;
static struct config cfg;
static struct server server = { .shared_cfg = &cfg };
static struct door *door;
static unsigned turn;

/* Writes the file of tokens. Each version is longer, so that a change is noticed without a
 * newer time. */
static void
write_tokens(const char *more)
{
	struct buf b;

	buf_init(&b, 0);
	admin_tokens_write(tokens, &b);
	for (unsigned i = 0; i <= turn; i++)
		buf_str(&b, "#\n");
	turn++;
	buf_str(&b, more);
	put_span("tokens", buf_view(&b));
	buf_free(&b);
}

static int
begin(void **state UNUSED)
{
	static const char *const hosts[] = { "gw.example" };
	static char file[256], one[256];
	struct buf why;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	unix_fd = pair[0];
	tokens = admin_tokens_new();
	for (size_t i = 0; i < TOKENS; i++) {
		struct admin_token *t = &tokens->row[tokens->n++];
		snprintf(t->name, sizeof(t->name), "token-%zu", i);
		t->roles = token_roles[i];
		t->created_ns = clock_wall_ns();
		admin_token_make(token[i], t->sha256);
		snprintf(bearer[i], sizeof(bearer[i]), "authorization: Bearer %s", token[i]);
	}
	unlink(path("tokens"));
	write_tokens("");
	put("one", "tcp-secret\n");
	snprintf(file, sizeof(file), "%s", path("tokens"));
	snprintf(one, sizeof(one), "%s", path("one"));
	cfg = (struct config){ .admin_tokens = file,
		.admin_token_file = one,
		.admin_hosts = (const char **)(uintptr_t)hosts,
		.nadmin_hosts = 1 };
	server.shared_cfg = &cfg;
	from = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000001) };
	buf_init(&why, 1024);
	door = door_new(&cfg, &server, &why);
	buf_free(&why);
	return door ? 0 : -1;
}

static int
end(void **state UNUSED)
{
	door_free(&door);
	free(tokens);
	close(unix_fd);
	return 0;
}

/* Checks a request. Returns 0 if it is admitted, else the status. *q is kept for later
 * calls. */
static unsigned
enter(struct asking *q, enum admin_door by, const char *method, const char *at,
	const char *const *fields)
{
	enum MHD_Result ok;
	struct buf allow;
	bool known;

	memset(q, 0, sizeof(*q));
	buf_init(&allow, 64);
	fields_of = fields;
	q->server = &server;
	q->door = door;
	q->method = method;
	q->path = at;
	q->peer.door = by;
	q->endpoint = admin_endpoint_find(method, at, &known, &allow);
	buf_free(&allow);
	assert_non_null(q->endpoint);
	answered = 0;
	return door_enter(door, q, &ok) ? 0 : answered;
}

static unsigned
let_in(enum admin_door by, const char *method, const char *at, const char *a, const char *b)
{
	const char *const fields[] = { a, b, NULL };
	struct asking q;

	return enter(&q, by, method, at, fields);
}

/* Makes a session of that token and returns its cookie field. */
static unsigned
log_in(const char *text, char cookie[512])
{
	struct asking q;

	assert_int_equal(let_in(DOOR_TLS, "POST", "/session", NULL, NULL), 0);
	memset(&q, 0, sizeof(q));
	q.server = &server;
	q.door = door;
	q.peer.door = DOOR_TLS;
	q.endpoint = &admin_endpoints[0];
	q.in = json_pack("{s:s}", "token", text);
	door_login(&q);
	json_decref(q.in);
	if (cookie && answered == 200)
		snprintf(cookie, 512, "cookie: a=b; %.*s; c=d", (int)strcspn(cookie_set, ";"),
			cookie_set);
	return answered;
}

#define SAME  "sec-fetch-site: same-origin"
#define HOST  "host: gw.example"
#define OURS  "origin: https://gw.example"
#define FIELD "x-tollgate-console: 1"

/* ---- rows ---- */

static void
endpoint_is_for_the_roles_of_its_row(void **state UNUSED)
{
	for (size_t i = 0; i < admin_endpoint_count; i++) {
		const struct admin_endpoint *e = &admin_endpoints[i];
		for (size_t t = 0; t < TOKENS; t++) {
			unsigned want = !e->role || token_roles[t] & e->role ? 0 : 403;
			unsigned got = let_in(DOOR_TLS, e->method, e->path, bearer[t], NULL);
			if (got != want)
				fail_msg("%s %s by token %zu: %u", e->method, e->path, t, got);
		}
		unsigned nobody = let_in(DOOR_TLS, e->method, e->path, NULL, NULL);
		unsigned tcp = let_in(
			DOOR_TCP, e->method, e->path, "authorization: Bearer tcp-secret", NULL);
		unsigned tcp_nobody = let_in(DOOR_TCP, e->method, e->path, NULL, NULL);
		if (nobody != (e->role ? 401 : 0) || tcp != (e->tcp ? 0 : 403) ||
			tcp_nobody != (e->tcp && !e->role ? 0 : 401))
			fail_msg(
				"%s %s: %u %u %u", e->method, e->path, nobody, tcp, tcp_nobody);
	}
}

static void
token_must_match_to_its_last_character(void **state UNUSED)
{
	char text[TOKEN_TEXT + 64];

	for (size_t i = 0; i < TOKEN_TEXT - 1; i++) {
		snprintf(text, sizeof(text), "%s", bearer[VIEWER]);
		text[strlen("authorization: Bearer ") + i] ^= 1;
		from.sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)i);
		assert_int_equal(let_in(DOOR_TLS, "GET", "/status", text, NULL), 401);
	}
	static const char *const tcp[] = { "authorization: Bearer tcp-secre",
		"authorization: Bearer tcp-secrets", "authorization: Bearer ",
		"authorization: Bearer", "authorization: Basic tcp-secret" };
	for (size_t i = 0; i < COUNT_OF(tcp); i++)
		assert_int_equal(let_in(DOOR_TCP, "GET", "/status", tcp[i], NULL), 401);
	assert_int_equal(
		let_in(DOOR_TCP, "GET", "/status", "authorization: bearer tcp-secret", NULL),
		0);
	/* Without admin.token_file no token is valid, and neither is an empty one. */
	cfg.admin_token_file = NULL;
	struct door *was = door;
	struct buf why;
	buf_init(&why, 1024);
	door = door_new(&cfg, &server, &why);
	for (size_t i = 0; i < COUNT_OF(tcp); i++)
		assert_int_equal(let_in(DOOR_TCP, "GET", "/status", tcp[i], NULL), 401);
	door_free(&door);
	door = was;
	buf_free(&why);
}

static void
browser_request_must_come_from_the_console(void **state UNUSED)
{
	char cookie[512], other[512];

	assert_int_equal(log_in(token[OPERATOR], cookie), 200);
	assert_int_equal(log_in(token[OPERATOR], other), 200);
	char two[1024];
	snprintf(two, sizeof(two), "%s; %s", cookie, other + strlen("cookie: "));
	const struct {
		const char *name, *method, *at, *fields[7];
		unsigned want;
	} rows[] = {
		{ "its session", "GET", "/status", { cookie, SAME }, 0 },
		{ "a page's origin alone is a browser's", "GET", "/status",
			{ bearer[OPERATOR], HOST, OURS }, 401 },
		{ "so is where it was fetched for", "GET", "/status",
			{ bearer[OPERATOR], SAME }, 401 },
		{ "two sessions at once are none", "GET", "/status", { two, SAME }, 401 },
		{ "a cookie without a browser is a browser's", "GET", "/status", { cookie },
			0 },
		{ "a change with all of it", "POST", "/reload",
			{ cookie, HOST, OURS, SAME, FIELD }, 0 },
		{ "without the field", "POST", "/reload", { cookie, HOST, OURS, SAME }, 403 },
		{ "with another one's", "POST", "/reload",
			{ cookie, HOST, OURS, SAME, "x-tollgate-console: 2" }, 403 },
		{ "without an origin", "POST", "/reload", { cookie, HOST, SAME, FIELD }, 403 },
		{ "of an origin that begins like ours", "POST", "/reload",
			{ cookie, HOST, OURS ".evil", SAME, FIELD }, 403 },
		{ "of another scheme", "POST", "/reload",
			{ cookie, HOST, "origin: http://gw.example", SAME, FIELD }, 403 },
		{ "from an address that was typed in", "POST", "/reload",
			{ cookie, HOST, OURS, "sec-fetch-site: none", FIELD }, 403 },
		{ "which may be read", "GET", "/status", { cookie, "sec-fetch-site: none" },
			0 },
		{ "another site reads nothing", "GET", "/status",
			{ cookie, "sec-fetch-site: cross-site" }, 403 },
		{ "a request from another site of the same domain", "GET", "/status",
			{ cookie, "sec-fetch-site: same-site" }, 403 },
		{ "another page logs nobody in", "POST", "/session",
			{ HOST, "origin: https://evil.example", FIELD }, 403 },
		{ "nor out, with its cookie alone", "DELETE", "/session", { cookie }, 403 },
		{ "nor by a form", "DELETE", "/session", { cookie, HOST, OURS }, 403 },
		{ "its own page does", "DELETE", "/session",
			{ cookie, HOST, OURS, SAME, FIELD }, 0 },
		{ "a name that is not ours", "GET", "/status",
			{ bearer[VIEWER], "host: evil.example" }, 403 },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct asking q;
		unsigned got = enter(&q, DOOR_TLS, rows[i].method, rows[i].at, rows[i].fields);
		if (got != rows[i].want)
			fail_msg("%s: %u", rows[i].name, got);
	}
}

static void
session_lives_as_long_as_it_is_used(void **state UNUSED)
{
	const uint64_t half = SESSION_IDLE_S * 500000ull;
	char cookie[512];
	struct asking q;

	assert_int_equal(log_in(token[VIEWER], cookie), 200);
	for (int i = 0; i < 4; i++) {
		fake_pass_us(half);
		assert_int_equal(let_in(DOOR_TLS, "GET", "/status", cookie, SAME), 0);
	}
	/* A request that the page sends by itself does not count as use. */
	const char *const poll[] = { cookie, SAME, "x-tollgate-console: poll", NULL };
	fake_pass_us(half);
	assert_int_equal(enter(&q, DOOR_TLS, "GET", "/status", poll), 0);
	fake_pass_us(half);
	assert_int_equal(enter(&q, DOOR_TLS, "GET", "/status", poll), 401);
	/* The end is final, however recent the last use was. */
	assert_int_equal(log_in(token[VIEWER], cookie), 200);
	const char *const out[] = { cookie, HOST, OURS, SAME, FIELD, NULL };
	assert_int_equal(enter(&q, DOOR_TLS, "DELETE", "/session", out), 0);
	door_logout(&q);
	assert_non_null(strstr(cookie_set, "Max-Age=0"));
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", cookie, SAME), 401);
}

/* For streams: the admission is checked again. */
static void
revoked_access_ends_a_stream(void **state UNUSED)
{
	char cookie[512], left[512];
	struct asking by_token, by_session, by_other, by_user, by_name;
	const char *const with_token[] = { bearer[AUDITOR], NULL };
	const char *const with_session[] = { cookie, SAME, NULL }, *const with_other[] = { left,
		SAME, NULL };
	static const char live[] = "/decisions/live";

	assert_int_equal(log_in(token[AUDITOR], cookie), 200);
	assert_int_equal(log_in(token[AUDITOR], left), 200);
	assert_int_equal(enter(&by_token, DOOR_TLS, "GET", live, with_token), 0);
	assert_int_equal(enter(&by_session, DOOR_TLS, "GET", live, with_session), 0);
	assert_int_equal(enter(&by_other, DOOR_TLS, "GET", live, with_other), 0);
	assert_int_equal(enter(&by_user, DOOR_UNIX, "GET", live, NULL), 0);
	by_name = by_user;
	by_name.peer.by = BY_CERTIFICATE;
	snprintf(by_name.peer.name, sizeof(by_name.peer.name), "alice");
	struct admin_user users[2] = { { .name = "alice",
		.roles = ROLE_VIEWER | ROLE_AUDITOR } };
	cfg.admin_users = users;
	cfg.nadmin_users = 1;
	door_reload(door, &cfg);
	const struct asking *const all[] = { &by_token, &by_session, &by_other, &by_user,
		&by_name };
	for (size_t i = 0; i < COUNT_OF(all); i++)
		assert_true(door_still(door, all[i]));
	/* One session logs out; the others continue. */
	const char *const out[] = { left, HOST, OURS, SAME, FIELD, NULL };
	struct asking q;
	assert_int_equal(enter(&q, DOOR_TLS, "DELETE", "/session", out), 0);
	door_logout(&q);
	assert_false(door_still(door, &by_other));
	assert_true(door_still(door, &by_session));
	/* The token gets other roles, then none. */
	tokens->row[AUDITOR].roles = ROLE_VIEWER;
	write_tokens("");
	assert_false(door_still(door, &by_token));
	assert_false(door_still(door, &by_session));
	tokens->row[AUDITOR].roles = ROLE_VIEWER | ROLE_AUDITOR;
	write_tokens("");
	assert_true(door_still(door, &by_session));
	tokens->row[AUDITOR].revoked_ns = clock_wall_ns();
	write_tokens("");
	assert_false(door_still(door, &by_token));
	assert_false(door_still(door, &by_session));
	/* Roles of users change with a reload. */
	users[0].roles = ROLE_VIEWER;
	char number[16];
	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	users[1] = (struct admin_user){ .name = number, .roles = ROLE_VIEWER };
	cfg.nadmin_users = 2;
	door_reload(door, &cfg);
	assert_false(door_still(door, &by_user));
	assert_false(door_still(door, &by_name));
	assert_int_equal(let_in(DOOR_UNIX, "POST", "/reload", NULL, NULL), 403);
	assert_int_equal(let_in(DOOR_UNIX, "GET", "/status", NULL, NULL), 0);
}

/* The changed file may have removed a token, so the previous file is not used either. */
static void
invalid_token_file_admits_nobody(void **state UNUSED)
{
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 0);
	write_tokens("x king\n");
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 401);
	write_tokens("");
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 0);
	assert_int_equal(unlink(path("tokens")), 0);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 401);
	write_tokens("");
	assert_int_equal(chmod(path("tokens"), 0666), 0);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 401);
}

static void
token_is_valid_until_its_end(void **state UNUSED)
{
	tokens->row[VIEWER].end_ns = clock_wall_ns() + 1000000000;
	write_tokens("");
	char cookie[512];
	assert_int_equal(log_in(token[VIEWER], cookie), 200);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 0);
	fake_pass_us(1000000);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 401);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", cookie, SAME), 401);
	assert_int_equal(log_in(token[VIEWER], cookie), 401);
}

/* An address may send ten wrong tokens at once, then one every six seconds. Valid tokens are
 * admitted nevertheless. */
static void
wrong_tokens_are_limited_by_address(void **state UNUSED)
{
	static const char wrong[] = "authorization: Bearer tga_x";

	for (int i = 0; i < 9; i++)
		assert_int_equal(let_in(DOOR_TLS, "GET", "/status", wrong, NULL), 401);
	assert_int_equal(log_in("tga_y", NULL), 401);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", wrong, NULL), 429);
	assert_int_equal(log_in("tga_y", NULL), 429);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", bearer[VIEWER], NULL), 0);
	assert_int_equal(log_in(token[VIEWER], NULL), 200);
	assert_int_equal(
		let_in(DOOR_TCP, "GET", "/status", wrong, NULL), 401); /* another listener */
	from.sin_addr.s_addr = htonl(0x7f000002);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", wrong, NULL), 401);
	from.sin_addr.s_addr = htonl(0x7f000001);
	fake_pass_us(6000000);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", wrong, NULL), 401);
	assert_int_equal(let_in(DOOR_TLS, "GET", "/status", wrong, NULL), 429);
}

/* ---- users and names ---- */

static void
user_has_the_roles_of_their_rows(void **state UNUSED)
{
	const unsigned all = ROLE_VIEWER | ROLE_OPERATOR | ROLE_AUDITOR;
	struct admin_user users[] = { { "alice", ROLE_VIEWER }, { "1001", ROLE_OPERATOR },
		{ "alice", ROLE_AUDITOR }, { "0", ROLE_VIEWER } };
	struct config with = { .admin_users = users, .nadmin_users = 3 };
	struct buf why;

	buf_init(&why, 1024);
	struct access *a = access_new(&with, &server, &why);
	assert_int_equal(access_of_uid(a, 4242, "alice"), ROLE_VIEWER | ROLE_AUDITOR);
	assert_int_equal(access_of_uid(a, 1001, "alice"), all);
	assert_int_equal(access_of_uid(a, 1001, "bob"), ROLE_OPERATOR);
	assert_int_equal(access_of_uid(a, 4242, "bob"), 0);
	assert_int_equal(access_of_uid(a, 4242, "1001"), 0);
	assert_int_equal(access_of_uid(a, 4242, ""), 0);
	assert_int_equal(access_of_uid(a, 0, "root"), all);
	/* A certificate's name never matches a user's number. */
	assert_int_equal(access_of_name(a, "alice"), ROLE_VIEWER | ROLE_AUDITOR);
	assert_int_equal(access_of_name(a, "1001"), 0);
	assert_int_equal(access_of_name(a, "Alice"), 0);
	assert_int_equal(access_of_name(a, "alic"), 0);
	/* Root has all roles, unless a row states its roles. */
	with.nadmin_users = 4;
	access_reload(a, &with);
	assert_int_equal(access_of_uid(a, 0, "root"), ROLE_VIEWER);
	access_free(&a);
	buf_free(&why);
}

static void
host_name_is_accepted_only_if_configured_or_local(void **state UNUSED)
{
	static const struct {
		const char *host;
		bool ours;
	} rows[] = { { "localhost", true }, { "localhost:8406", true }, { "x.localhost", true },
		{ "X.LocalHost.", true }, { "tollgate", true }, { "127.0.0.1:9443", true },
		{ "[::1]:9443", true }, { "gw.example", true }, { "GW.example.:1", true },
		{ "evil.example", false }, { "gw.example.evil.com", false },
		{ "xgw.example", false }, { "x.gw.example", false }, { "gw.exampl", false },
		{ "evillocalhost.com", false }, { "x.evillocalhost", false },
		{ ".localhost", false }, { "localhost.evil", false },
		{ "127.0.0.1.evil", false }, { "[evil.example]", false }, { "", false },
		{ ":80", false }, { ".", false } };
	static const char *const hosts[] = { "gw.example" };
	const struct config with = { .admin_hosts = (const char **)(uintptr_t)hosts,
		.nadmin_hosts = 1 };
	struct buf why;

	buf_init(&why, 1024);
	struct access *a = access_new(&with, &server, &why);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (access_host(a, span_str(rows[i].host)) != rows[i].ours)
			fail_msg("%s", rows[i].host);
	access_free(&a);
	buf_free(&why);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(endpoint_is_for_the_roles_of_its_row),
		T(token_must_match_to_its_last_character),
		T(browser_request_must_come_from_the_console),
		T(session_lives_as_long_as_it_is_used),
		T(revoked_access_ends_a_stream),
		T(invalid_token_file_admits_nobody),
		T(token_is_valid_until_its_end),
		T(wrong_tokens_are_limited_by_address),
		cmocka_unit_test(user_has_the_roles_of_their_rows),
		cmocka_unit_test(host_name_is_accepted_only_if_configured_or_local),
	};
#undef T

	log_setup(LOG_LOGFMT, LOG_ERROR);
	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
