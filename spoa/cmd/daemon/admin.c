/* Calls of the running daemon over its admin socket, and printing of the responses. Each
 * call is one HTTP request with libcurl over a Unix socket. If no response arrives, the
 * error distinguishes a missing socket, a missing permission, a daemon that has ended, and
 * one that does not respond. */
#include "cmd/daemon/admin.h"

#include <curl/curl.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/price/price.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"
#include "policy/config/config.h"
#include "policy/config/read.h"
#include "policy/limit.h"

enum { ANSWER_S = 120, BUSY_S = 30, STATUS_S = 10, RELOAD_S = 65 };

static size_t
take_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct buf *out = arg;

	buf_put(out, p, size * n);
	return buf_failed(out) ? 0 : size * n;
}

static int
look_up(void *arg, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED,
	curl_off_t d UNUSED)
{
	const struct admin_call *call = arg;

	return call->given_up();
}

/* Appends which user owns the nearest folder on the path that this user can see. */
static void
folder_owner(const char *socket, struct buf *why)
{
	char dir[256];
	struct stat st;
	char *end;

	snprintf(dir, sizeof(dir), "%s", socket);
	while ((end = strrchr(dir, '/')) && end > dir) {
		*end = '\0';
		if (stat(dir, &st) != 0)
			continue;
		const struct passwd *pw = getpwuid(st.st_uid);
		if (pw)
			buf_printf(why, "; %s is for %s", dir, pw->pw_name);
		return;
	}
}

/* Appends why the socket's file cannot be used. Returns false, without a text, if the file
 * is usable. */
static bool
socket_trouble(const char *socket, struct buf *why)
{
	if (access(socket, W_OK) == 0)
		return false;
	buf_printf(why, "%s: %s: ", socket, strerror(errno));
	if (errno == EACCES) {
		buf_str(why, "only root and the daemon's user may use this socket: run this "
			     "with sudo, or with sudo -u tollgate");
		folder_owner(socket, why);
	} else {
		buf_str(why, "is tollgate running? systemctl status tollgate");
	}
	return true;
}

/* Appends why a usable socket gives no response: its daemon has ended, hangs, or is another
 * program. */
static void
nobody_answers(const char *socket, CURLcode err, const char *said, struct buf *why)
{
	if (err == CURLE_COULDNT_CONNECT)
		buf_printf(why,
			"%s: no process listens on this socket; the daemon has ended "
			"unexpectedly: see systemctl status tollgate",
			socket);
	else if (err == CURLE_OPERATION_TIMEDOUT)
		buf_printf(why,
			"%s: no response: the daemon hangs, or another program listens on "
			"this socket: see systemctl status tollgate",
			socket);
	else
		buf_printf(why, "%s: %s: check that this is tollgate's admin socket "
				"(admin.listen)", socket,
			said);
}

long
admin_ask(const struct admin_call *call, struct buf *out, struct buf *why)
{
	CURL *c = curl_easy_init();
	char url[128], error[CURL_ERROR_SIZE] = "";
	long status = 0;

	snprintf(url, sizeof(url), "http://tollgate%s", call->page);
	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, call->socket);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, call->most_s ? call->most_s : (long)ANSWER_S);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	if (call->given_up) {
		curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_up);
		curl_easy_setopt(c, CURLOPT_XFERINFODATA, call);
	}
	if (call->post)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body ? call->body : "");
	CURLcode err = c ? curl_easy_perform(c) : CURLE_OUT_OF_MEMORY;
	if (err == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	else if (!socket_trouble(call->socket, why))
		nobody_answers(
			call->socket, err, *error ? error : curl_easy_strerror(err), why);
	curl_easy_cleanup(c);
	return status;
}

long
admin_ask_or_say(const char *what, const struct admin_call *call, struct buf *out)
{
	SCOPED_BUF(why, 4096);
	long status = admin_ask(call, out, &why);
	if (!status)
		cmd_fail(what, "%.*s", SPAN_ARG(buf_view(&why)));
	return status;
}

/* Returns the seconds after which a daemon that has not replied hangs; 0: the usual time. The
 * daemon writes its status from memory, and ends a reload after at most a minute. */
static long
page_most_s(const char *page)
{
	return str_same(page, "/status") ? STATUS_S : str_same(page, "/reload") ? RELOAD_S : 0;
}

long
admin_ask_json(
	const char *socket, const char *page, const json_t *in, json_t **response, struct buf *why)
{
	char *body = in ? json_dumps(in, JSON_COMPACT) : NULL;
	const struct admin_call call = { .socket = socket,
		.page = page,
		.post = in != NULL,
		.body = body,
		.most_s = page_most_s(page) };

	SCOPED_BUF(answer, ADMIN_ANSWER_BYTES);
	if (in && !body)
		buf_str(why, err_str(ERR_NOMEM));
	long status = in && !body ? 0 : admin_ask(&call, &answer, why);
	for (int i = 0; status == 429 && i < BUSY_S; i++) {
		sleep(1);
		buf_clear(&answer);
		status = admin_ask(&call, &answer, why);
	}
	*response = status ? json_loadb(buf_view(&answer).p, answer.n, 0, NULL) : NULL;
	free(body);
	return status;
}

const char *
admin_socket(const char *what, const char *named, struct arena *a)
{
	const char *file = config_find(named);

	if (!file) {
		cmd_no_config(what, named, "");
		return NULL;
	}
	SCOPED_DIAG(d);
	const struct config *cfg = config_read(a, file, &d);
	if (!cfg)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	if (!cfg || !cfg->has_admin || !cfg->admin.path) {
		cmd_fail(what, cfg ? "%s: has no admin.listen, which names the daemon's "
				     "socket: add it" : "%s: cannot be used: tollgate "
							"check lists its mistakes", file);
		return NULL;
	}
	return cfg->admin.path;
}

json_t *
admin_call_json(
	const char *what, const char *config, const char *page, const json_t *in, int *code)
{
	SCOPED_ARENA(a, 0, false);
	*code = EXIT_CANNOT;
	const char *socket = admin_socket(what, config, &a);
	return socket ? admin_call_at(what, socket, page, in, code) : NULL;
}

json_t *
admin_call_at(
	const char *what, const char *socket, const char *page, const json_t *in, int *code)
{
	json_t *o = NULL;

	SCOPED_BUF(why, 4096);
	*code = EXIT_CANNOT;
	long status = admin_ask_json(socket, page, in, &o, &why);
	if (!status)
		cmd_fail(what, "%.*s", SPAN_ARG(buf_view(&why)));
	const char *error = json_str_in(o, "error");
	if (status && (status != 200 || !json_is_object(o))) {
		plain_lines(&why,
			span_str(error ? error
				       : "the response cannot be understood: check whether "
					 "another program listens on this socket"));
		cmd_fail(what, "%.*s", SPAN_ARG(span_trim(buf_view(&why), "\n")));
		*code = status == 404 || status == 409 ? EXIT_NO : EXIT_CANNOT;
		json_decref(o);
		o = NULL;
	}
	if (o)
		*code = EXIT_DONE;
	return o;
}

int
admin_changed(const char *what, const json_t *answer, const char *done)
{
	fprintf(stderr, "tollgate: %s %s %s%s\n", what, json_str_in(answer, "id"), done,
		str_same(json_str_in(answer, "redis"), "written")
			? " here, and with every daemon of this Redis within a second."
			: ".");
	const char *why = json_str_in(answer, "why");
	if (str_same(json_str_in(answer, "redis"), "away"))
		cmd_fail(what,
			"not in Redis yet: %s: other daemons do not know the change until "
			"Redis accepts it",
			why ? why : "Redis did not respond in time");
	if (json_is_false(json_object_get(answer, "recorded")))
		cmd_fail(what, "the journal cannot be written now: the record of this "
			       "change is written when it can");
	if (json_is_false(json_object_get(answer, "kept"))) {
		cmd_fail(what, "state_file cannot be written: if Redis loses the change "
			       "too, a restart of this daemon forgets it");
		return EXIT_CANNOT;
	}
	return EXIT_DONE;
}

bool
admin_target(struct buf *b, const json_t *t)
{
	const char *state = json_str_in(t, "state"), *why = json_str_in(t, "last_failure"),
		   *since = json_str_in(t, "since");
	const json_t *back = json_object_get(t, "back_in_s");
	long long status = json_int_in(t, "last_status");

	if (!state || str_same(state, "closed"))
		return false;
	buf_printf(b, "%.24s", state);
	if (since)
		buf_printf(b, " since %.19sZ", since);
	buf_printf(b, ", %lld in progress, %.0f%% of the last ten seconds failed",
		json_int_in(t, "under_way"),
		100 * json_number_value(json_object_get(t, "errors")));
	if (back)
		buf_printf(b, "; next attempt in %.1f s", json_number_value(back));
	if (why)
		buf_printf(b, "; last failure %.24s", why);
	if (why && status)
		buf_printf(b, " (%lld)", status);
	return true;
}

void
admin_awaited_one(struct buf *b, const json_t *one)
{
	const char *model = json_text_in(one, "model");

	buf_printf(b, "%.0f s for %.64s%s%.64s, route %.64s, id %.26s",
		json_number_value(json_object_get(one, "seconds")),
		json_text_in(one, "provider"), model[0] ? "/" : "", model,
		json_text_in(one, "route"), json_text_in(one, "id"));
}

void
admin_awaited(struct buf *b, const json_t *awaited)
{
	const json_t *oldest = json_array_get(json_object_get(awaited, "oldest"), 0);
	long long n = json_int_in(awaited, "requests");

	if (!n || !oldest)
		return;
	buf_printf(b, ", %lld wait%s for a provider's response, the oldest ", n,
		n == 1 ? "s" : "");
	admin_awaited_one(b, oldest);
}

void
admin_provider(struct buf *b, const json_t *p)
{
	const json_t *first = json_object_get(p, "first_byte_ms");
	const char *error = json_str_in(p, "last_error"), *means = json_str_in(p, "means"),
		   *at = json_str_in(p, "last_error_at"),
		   *good = json_str_in(p, "last_success_at");
	long long most = json_int_in(first, "most");

	buf_printf(b, "%lld in progress, %lld responses, %lld errors", json_int_in(p, "under_way"),
		json_int_in(p, "answers"), json_int_in(p, "errors"));
	if (first)
		buf_printf(b,
			", first byte after %lld.%03lld s at most in the last two minutes",
			most / 1000, most % 1000);
	if (error && at)
		buf_printf(b, "; last error %.24s at %.24s: %.80s%s", error, at,
			means ? means : "",
			good && strcmp(good, at) > 0 ? "; a response has succeeded since" : "");
}

int
admin_print_json(const char *what, const json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	int code = !text ? cmd_fail(what, "the daemon's response cannot be understood: check "
					  "that daemon and program have the same version")
		   : puts(text) < 0 || fflush(stdout) ? cmd_fail(what, "%s", strerror(errno))
						      : EXIT_DONE;

	free(text);
	return code;
}

/* ---- a command that makes a call ---- */

void
admin_give(struct admin_cmd *c, const char *name, json_t *value)
{
	if (!c->in)
		c->in = json_object();
	if (json_object_set_new(c->in, name, value) == 0 || c->wrong)
		return;
	cmd_fail(c->what, "a name is not UTF-8: give it in UTF-8");
	c->wrong = true;
}

void
admin_give_text(struct admin_cmd *c, const char *name, const char *text)
{
	if (text)
		admin_give(c, name, json_string(text));
}

void
admin_give_end(struct admin_cmd *c, const char *name, const char *text)
{
	char full[CMD_END_LEN];
	uint64_t us;
	int64_t ns;

	if (!text || c->wrong)
		return;
	if (duration_parse(span_str(text), &us) == 0)
		admin_give_text(c, "ttl", text);
	else if (cmd_end(c->what, text, full, &ns))
		admin_give_text(c, name, full);
	else
		c->wrong = true;
}

json_t *
admin_texts(const char *text)
{
	struct span rest = span_str(text);
	json_t *list = json_array();

	while (rest.n && list) {
		struct span one = span_trim(span_next(&rest, ','), " ");
		if (one.n && json_array_append_new(list, json_stringn(one.p, one.n)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *
admin_answer(struct admin_cmd *c, const char *page)
{
	json_t *answer = NULL;

	if (c->in) {
		admin_give_text(c, "by", c->by);
		admin_give_text(c, "reason", c->reason);
	}
	c->code = EXIT_CANNOT;
	if (!c->wrong)
		answer = admin_call_json(c->what, c->config, page, c->in, &c->code);
	json_decref(c->in);
	c->in = NULL;
	return answer;
}

int
admin_change(struct admin_cmd *c, const char *page, const char *done)
{
	json_auto_t *answer = admin_answer(c, page);

	if (answer)
		c->code = c->json ? admin_print_json(c->what, answer)
				  : admin_changed(c->what, answer, done);
	return c->code;
}

/* ---- tables ---- */

void
admin_put_amount(struct buf *cell, const json_t *row, const char *name)
{
	const json_t *v = json_object_get(row, name);
	const struct limit_kind *u = limit_kind_named(json_str_in(row, "counts"));
	char usd[PRICE_TEXT_MAX];

	if (v && u && (u->traits & COUNTS_MONEY)) {
		price_text((uint64_t)json_integer_value(v), usd);
		buf_str(cell, usd);
	} else if (v) {
		buf_int(cell, json_integer_value(v));
	}
}

static void
put_admin_cell(struct buf *b, const struct admin_column *c, const json_t *row)
{
	const json_t *v = c->name ? json_object_get(row, c->name) : NULL;

	SCOPED_BUF(raw, 4096);
	SCOPED_BUF(cell, 4096);
	if (c->put)
		c->put(&raw, row, c->name);
	else if (json_is_integer(v))
		buf_int(&raw, json_integer_value(v));
	else
		buf_span(&raw, json_span(v));
	if (!raw.n && (c->put || !json_is_string(v)) && c->none)
		buf_str(&raw, c->none);
	/* A row is one line: a newline in a reason must not begin a row that nobody made. */
	plain_put(&cell, buf_view(&raw), SIZE_MAX);
	buf_printf(b, "%*.*s%s", -c->width, SPAN_ARG(buf_view(&cell)), c->bare ? "" : " ");
}

int
admin_print_table(
	const char *what, const struct admin_column *columns, const json_t *list, bool as_json)
{
	json_auto_t *none = json_array();
	const struct admin_column *c;
	const json_t *row;
	size_t i;

	SCOPED_BUF(b, 0);
	for (c = columns; c->heading; c++)
		if (c[1].heading)
			buf_printf(&b, "%*s ", -c->width, c->heading);
		else
			buf_printf(&b, "%*s\n", c->width < 0 ? -c->width : 0, c->heading);
	json_array_foreach(list, i, row)
	{
		for (c = columns; c->heading; c++)
			put_admin_cell(&b, c, row);
		buf_putc(&b, '\n');
	}
	return as_json ? admin_print_json(what, list ? list : none) : cmd_print(what, &b);
}

int
admin_list(struct admin_cmd *c, const struct admin_list *l)
{
	json_auto_t *answer = admin_answer(c, l->page);

	if (answer && l->without && !json_is_true(json_object_get(answer, "state_key")))
		c->code = cmd_fail(
			c->what, "the daemon has no state_key, without which %s at run "
				 "time: set state_key in tollgate.yaml", l->without);
	else if (answer)
		c->code = admin_print_table(
			c->what, l->columns, json_object_get(answer, l->member), c->json);
	return c->code;
}
