/* tollgate status and reload: the running daemon, by the admin socket that the configuration
 * names. */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "policy/config.h"

enum { ANSWER_BYTES = 4 << 20, ANSWER_S = 120 };

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *out = arg;

	buf_put(out, p, size * n);
	return buf_failed(out) ? 0 : size * n;
}

/* The status of the answer, or 0 after a message. */
static long
ask(const char *what, const char *socket, const char *page, bool post, struct buf *out)
{
	CURL *c = curl_easy_init();
	char url[128], why[CURL_ERROR_SIZE] = "";
	long status = 0;

	snprintf(url, sizeof(url), "http://tollgate%s", page);
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)ANSWER_S);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	if (post)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
	CURLcode err = c ? curl_easy_perform(c) : CURLE_OUT_OF_MEMORY;
	if (err == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	else if (access(socket, F_OK) != 0)
		cmd_fail(what, "%s: %s: is tollgate running? systemctl status tollgate", socket,
			strerror(errno));
	else if (access(socket, W_OK) != 0)
		cmd_fail(what, "%s: %s: it is the daemon's user's; as root, or as tollgate",
			socket, strerror(errno));
	else
		cmd_fail(what, "%s: %s: nobody answers", socket,
			*why ? why : curl_easy_strerror(err));
	curl_easy_cleanup(c);
	return status;
}

/* The admin socket, in the arena; NULL after a message. */
static const char *
socket_of(const char *what, const char *named, struct arena *a)
{
	const char *file = config_find(named);
	const struct config *cfg;
	struct diag d;

	if (!file) {
		cmd_fail(what,
			"no tollgate.yaml here or under /etc/tollgate/; name one with -c");
		return NULL;
	}
	diag_init(&d);
	cfg = config_read(a, file, &d);
	diag_free(&d);
	if (!cfg || !cfg->has_admin || !cfg->admin.path) {
		cmd_fail(what, "%s: has no admin.listen", file);
		return NULL;
	}
	return cfg->admin.path;
}

static int
show_status(struct span status, struct span ready, bool ok)
{
	json_t *s = json_loadb(status.p, status.n, 0, NULL);
	json_int_t workers, routes, rules;
	const char *version, *node, *started;

	if (!s || json_unpack(s, "{s:s,s:s,s:s,s:I,s:I,s:I}", "version", &version, "node",
			  &node, "started", &started, "workers", &workers, "routes", &routes,
			  "rules", &rules) != 0) {
		json_decref(s);
		return cmd_fail("status", "the daemon's answer is not understood");
	}
	printf("tollgate %s, node %s, %lld workers, since %.19sZ\n", version, node,
		(long long)workers, started);
	printf("%lld routes, %lld rules\n%.*s", (long long)routes, (long long)rules,
		SPAN_ARG(ready));
	json_decref(s);
	return ok ? EXIT_DONE : EXIT_NO;
}

int
cmd_status(int argc, char **argv)
{
	const char *config = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { { "c", .text = &config },
		{ "json", .flag = &as_json }, { .name = NULL } };
	struct buf status, ready;
	struct arena a;
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	arena_init(&a, 0, false);
	buf_init(&status, ANSWER_BYTES);
	buf_init(&ready, ANSWER_BYTES);
	const char *socket = socket_of("status", config, &a);
	long page = socket ? ask("status", socket, "/status", false, &status) : 0;
	long is_ready = page == 200 ? ask("status", socket, "/readyz", false, &ready) : 0;
	if (is_ready && as_json) {
		printf("%.*s", SPAN_ARG(buf_view(&status)));
		code = is_ready == 200 ? EXIT_DONE : EXIT_NO;
	} else if (is_ready) {
		code = show_status(buf_view(&status), buf_view(&ready), is_ready == 200);
	}
	buf_free(&ready);
	buf_free(&status);
	arena_reset(&a);
	return code;
}

/* {"result":"done","errors":["file:line:column: ..."]}, and /status after it. */
static int
show_reload(struct span answer, struct span status, bool ok)
{
	json_t *o = json_loadb(answer.p, answer.n, 0, NULL), *one;
	json_t *now = json_loadb(status.p, status.n, 0, NULL);
	const char *policy = json_string_value(json_object_get(now, "policy"));
	size_t i;

	if (ok)
		printf("reloaded: policy %s\n", policy ? policy : "?");
	else
		fprintf(stderr, "tollgate: reload: refused, policy %s stays in force\n",
			policy ? policy : "?");
	json_array_foreach(json_object_get(o, "errors"), i, one)
		fprintf(stderr, "%s\n", json_string_value(one) ? json_string_value(one) : "?");
	json_decref(now);
	json_decref(o);
	return ok ? EXIT_DONE : EXIT_NO;
}

int
cmd_reload(int argc, char **argv)
{
	const char *config = NULL;
	const struct cmd_option options[] = { { "c", .text = &config }, { .name = NULL } };
	struct buf answer, status;
	struct arena a;
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	arena_init(&a, 0, false);
	buf_init(&answer, ANSWER_BYTES);
	buf_init(&status, ANSWER_BYTES);
	const char *socket = socket_of("reload", config, &a);
	long done = socket ? ask("reload", socket, "/reload", true, &answer) : 0;
	if (done && ask("reload", socket, "/status", false, &status))
		code = show_reload(buf_view(&answer), buf_view(&status), done == 200);
	buf_free(&status);
	buf_free(&answer);
	arena_reset(&a);
	return code;
}
