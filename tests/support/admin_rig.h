/* The admin server of a running daemon: its listeners, a token for each role, and requests to
 * it. */
#ifndef TESTS_ADMIN_RIG_H
#define TESTS_ADMIN_RIG_H

#include <curl/curl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/err.h"
#include "operator/admin/sessions.h"
#include "operator/admin/tokens.h"
#include "support/run_cmd.h"

#include "support/admin_certs.h" /* the files are in run_cmd.h's folder */

#include "operator/admin/admin.h"
#include "operator/admin/endpoint.h"

#define OURS "x-tollgate-console: 1"

static pid_t daemon_pid;
static unsigned tcp_port, tls_port;
static char viewer[TOKEN_TEXT], operator_[TOKEN_TEXT], auditor[TOKEN_TEXT], short_[TOKEN_TEXT],
	gone[TOKEN_TEXT];

/* ---- the daemon ---- */

static inline unsigned
free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (void *)&in, &n), 0);
	close(fd);
	return ntohs(in.sin_port);
}

/* Makes a token with the command, which prints the token once. */
static inline void
new_token(const char *name, const char *roles, char text[TOKEN_TEXT])
{
	assert_int_equal(tollgate("", "admin-token", "new", name, "--roles", roles, "--tokens",
				 path("tokens"), NULL),
		0);
	assert_int_equal(strlen(cmd_out), TOKEN_TEXT);
	memcpy(text, cmd_out, TOKEN_TEXT - 1);
	text[TOKEN_TEXT - 1] = '\0';
	cmd_slurp("tokens", cmd_out, sizeof(cmd_out));
	assert_null(strstr(cmd_out, text));
}

static inline void
write_config(const char *users, const char *hosts)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"policy: p.yaml\nbackends: [local]\nagent: {listen: unix@a.sock}\n"
		"audit: {journal: j, key: key}\nstate_key: state.key\n"
		"admin:\n  listen: unix@admin.sock\n  tcp: 127.0.0.1:%u\n  token_file: one\n"
		"  tls: {listen: '127.0.0.1:%u', certificate: server.crt, key: other.key, "
		"clients: ca.pem}\n"
		"  tokens: tokens\n  users: {%s}\n  hosts: [%s]\n  console: true\n",
		tcp_port, tls_port, users, hosts);
	put("t.yaml", text);
}

static inline int
start(void **state)
{
	struct stat st;

	temp_dir_make(state);
	if (sodium_init() < 0)
		return -1;
	curl_global_init(CURL_GLOBAL_ALL);
	tcp_port = free_port();
	tls_port = free_port();
	make_certificates();
	put("p.yaml",
		"tollgate: 1\nname: t\nmode: enforce\non_failure: {classifier: deny, "
		"quota: deny, audit: deny, unreadable: deny}\nidentity:\n  - api_key: "
		"{header: authorization, keys: keys.yaml}\nroutes:\n  - {name: r, match: "
		"{path: /v1/chat/completions}, dialect: openai, backend: local}\nrules:\n  "
		"- {name: all, when: 'true', permit: true}\n");
	put("keys.yaml", "keys: []\n");
	put("one", "tcp-secret\n");
	assert_int_equal(tollgate("", "keygen", path("key"), NULL), 0);
	assert_int_equal(tollgate("", "keygen", "--secret", path("state.key"), NULL), 0);
	new_token("viewer", "viewer", viewer);
	new_token("operator", "operator", operator_);
	new_token("auditor", "auditor", auditor);
	new_token("short", "viewer", short_);
	new_token("gone", "operator", gone);
	write_config("alice: operator", "gw.example");
	fflush(NULL);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		if (!freopen(path("log"), "w", stderr))
			exit(2);
		exit(server_run(path("t.yaml"), false, &admin_front));
	}
	for (int i = 0; i < 600 && stat(path("admin.sock"), &st) < 0; i++)
		usleep(50000);
	usleep(200000);
	return 0;
}

static inline int
stop(void **state)
{
	int status = 0;

	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		cmd_slurp("log", cmd_out, sizeof(cmd_out));
		print_error("%s\n", cmd_out);
		return -1;
	}
	curl_global_cleanup();
	return temp_dir_remove(state);
}

/* ---- requests ---- */

struct ask {
	enum admin_door door;
	const char *path, *method, *body, *token, *cookie, *crt, *host;
	const char *fields[6];
};

static struct {
	long status;
	char body[256 << 10], head[8192];
	size_t n, nhead;
	CURLcode err;
} got;

static inline size_t
take(char *p, size_t size, size_t n, void *arg)
{
	size_t *at = arg == got.body ? &got.n : &got.nhead,
	       room = arg == got.body ? sizeof(got.body) : sizeof(got.head);

	if (*at + size * n >= room)
		return 0;
	memcpy((char *)arg + *at, p, size * n);
	*at += size * n;
	((char *)arg)[*at] = '\0';
	return size * n;
}

static inline long
ask(const struct ask *a)
{
	char url[256], line[256];
	struct curl_slist *fields = NULL;
	CURL *c = curl_easy_init();

	memset(&got, 0, sizeof(got));
	snprintf(url, sizeof(url), "%s://%s:%u%s", a->door == DOOR_TLS ? "https" : "http",
		a->door == DOOR_TLS ? "localhost" : "127.0.0.1",
		a->door == DOOR_TLS   ? tls_port
		: a->door == DOOR_TCP ? tcp_port
				      : 8406,
		a->path);
	if (a->door == DOOR_UNIX)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, path("admin.sock"));
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, got.body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, got.head);
	if (a->crt) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, path(a->crt));
		curl_easy_setopt(c, CURLOPT_SSLKEY, path("other.key"));
	}
	if (a->body)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, a->body);
	if (a->method && strcmp(a->method, "HEAD") != 0)
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, a->method);
	if (a->token) {
		snprintf(line, sizeof(line), "authorization: Bearer %s", a->token);
		fields = curl_slist_append(fields, line);
	}
	if (a->cookie) {
		snprintf(line, sizeof(line), "cookie: a=b; __Host-tollgate=%s; c=d", a->cookie);
		fields = curl_slist_append(fields, line);
	}
	if (a->host) {
		snprintf(line, sizeof(line), "host: %s", a->host);
		fields = curl_slist_append(fields, line);
	}
	for (size_t i = 0; i < COUNT_OF(a->fields) && a->fields[i]; i++)
		fields = curl_slist_append(fields, a->fields[i]);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
	got.err = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &got.status);
	curl_slist_free_all(fields);
	curl_easy_cleanup(c);
	return got.status;
}

/* Logs in with the token by POST /session. Stores the cookie. */
static inline void
log_in(enum admin_door door, const char *token, char cookie[SESSION_TEXT])
{
	char body[128], origin[64];

	snprintf(body, sizeof(body), "{\"token\":\"%s\"}", token);
	snprintf(origin, sizeof(origin), "origin: %s:%u",
		door == DOOR_TLS ? "https://localhost" : "http://127.0.0.1",
		door == DOOR_TLS ? tls_port : 8406);
	const struct ask a = { .door = door,
		.path = "/session",
		.body = body,
		.fields = { origin, "sec-fetch-site: same-origin", OURS } };
	if (ask(&a) != 200)
		fail_msg("%ld %s", got.status, got.body);
	const char *set = strstr(got.head, "__Host-tollgate=");
	assert_non_null(set);
	snprintf(cookie, SESSION_TEXT, "%s", set + strlen("__Host-tollgate="));
	assert_non_null(strstr(set, "; Path=/; Secure; HttpOnly; SameSite=Strict\r\n"));
}

#endif
