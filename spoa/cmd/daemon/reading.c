/* Reports to the daemon who reads records.
 *
 * The HTTP request is built in advance and sent with system calls alone, so that a signal
 * handler can send it too. Therefore `audit list | head` (SIGPIPE) and Ctrl-C leave a record
 * as a normal end does. Only the number of records is written into the request when it is
 * sent.
 *
 * States: before reading_begin(), nothing is recorded. When the first record is shown, the
 * signal handlers are installed. reading_end() or the first signal sends the request once. */
#include "cmd/daemon/reading.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/config/config.h"
#include "policy/config/members.h"

enum { BODY_BYTES = 40 << 10, ASKED_BYTES = 32 << 10, COUNT_DIGITS = 20, WAIT_S = 8 };

static struct {
	const char *what;
	struct sockaddr_un at; /* the admin socket; sun_path "": nothing is reported */
	char why[1024];	       /* why nothing is reported; "": no reason */
	/* the folders of the journals of the daemon's instances, and of the other daemons of
	 * this machine; st_ino 0: none */
	struct stat journal[CONFIG_PARTS + CONFIG_MEMBERS_MAX];
	char config[512], redis[1024];
	bool own, other, begun, follows, quiet;
	json_t *asked;
	uint64_t records;
	/* The request: a head with the length of the body, and the body. The number of
	 * records is written over spaces that the body reserves. */
	char request[BODY_BYTES + 512];
	size_t n, count_at, follow_at;
} now;

static const int ends[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP };

/* ---- what was requested ---- */

/* Options that are not recorded: they may hold the text of a prompt or a secret, or they
 * name a place rather than a selection. */
static const char *const kept_back[] = { "config", "c", "journal", "redis", "file", "text",
	"text-file", "hash-key", "public-key", "tsa-ca", "witness-key", "policy", "root",
	"statement", "note", "manifest", "out", "position", "sign-key", "passphrase-file",
	"sign-passphrase-file", "key", "shares", "reason" };

static json_t *
reading_text(const char *s)
{
	json_t *v = json_string(s);

	return v ? v : json_string("?"); /* the text is not UTF-8 */
}

static void
add_option(const struct cmd_option *o)
{
	json_t *v = NULL;

	if (SPAN_IN(span_str(o->name), kept_back))
		return;
	if (o->count && *o->count) {
		v = json_array();
		for (size_t i = 0; i < *o->count; i++)
			json_array_append_new(v, reading_text(o->text[i]));
	} else if (!o->count && o->text && *o->text) {
		v = reading_text(*o->text);
	} else if (o->flag && *o->flag) {
		v = json_true();
	}
	if (v)
		json_object_set_new(now.asked, o->name, v);
}

void
reading_asked(const char *name, json_t *value)
{
	if (now.asked)
		json_object_set_new(now.asked, name, value);
	else
		json_decref(value);
}

void
reading_window(int64_t from_ns, int64_t until_ns)
{
	char time[CLOCK_RFC3339_LEN];

	if (from_ns) {
		clock_rfc3339(from_ns, time);
		reading_asked("from", json_string(time));
	}
	if (until_ns) {
		clock_rfc3339(until_ns, time);
		reading_asked("to", json_string(time));
	}
}

/* ---- the daemon that records the reading ---- */

static void
find_daemon(const char *named)
{
	const char *file = config_find(named);

	if (!file) {
		snprintf(now.why, sizeof(now.why),
			"no configuration names the daemon's admin socket: give -c FILE");
		return;
	}
	snprintf(now.config, sizeof(now.config), "%s", file);
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(d);
	const struct config *cfg = config_read(&a, file, &d);
	if (!cfg)
		snprintf(now.why, sizeof(now.why), "%s cannot be used: tollgate check "
						   "lists its mistakes", file);
	else if (!cfg->has_admin || !cfg->admin.path)
		snprintf(now.why, sizeof(now.why), "%s has no admin.listen, which names "
						   "the daemon's socket", file);
	else if (strlen(cfg->admin.path) >= sizeof(now.at.sun_path))
		snprintf(now.why, sizeof(now.why), "%s: the name of the socket is too long", cfg->admin.path);
	else
		snprintf(now.at.sun_path, sizeof(now.at.sun_path), "%s", cfg->admin.path);
	now.at.sun_family = AF_UNIX;
	const struct config *member[CONFIG_MEMBERS_MAX];
	size_t members = cfg ? config_members(&a, cfg, member) : 0;
	for (unsigned i = 0; cfg && i < CONFIG_PARTS + members; i++) {
		const char *journal = i < CONFIG_PARTS ? config_part(cfg, i)->journal
						       : member[i - CONFIG_PARTS]->journal;
		if (!journal || stat(journal, &now.journal[i]) < 0)
			now.journal[i].st_ino = 0;
	}
	if (cfg && cfg->redis_url)
		snprintf(now.redis, sizeof(now.redis), "%s", cfg->redis_url);
}

/* Returns true if the folder is a journal of the daemon, or of a daemon that shares its Redis. */
static bool
is_own_journal(const char *folder)
{
	struct stat st;
	bool own = false;

	if (stat(folder, &st) < 0)
		return false;
	for (unsigned i = 0; i < COUNT_OF(now.journal); i++)
		own |= now.journal[i].st_ino && st.st_ino == now.journal[i].st_ino &&
		       st.st_dev == now.journal[i].st_dev;
	return own;
}

void
reading_of(const char *journal, const char *redis, const char *file)
{
	bool own = journal ? is_own_journal(journal)
		   : redis ? now.redis[0] && !strcmp(redis, now.redis)
			   : false;

	if (!journal && !redis && !file)
		return;
	now.own |= own;
	if (own || now.other || now.why[0] || !now.asked)
		return;
	now.other = true;
	if (!now.quiet)
		fprintf(stderr, "tollgate: %s: this reading is not recorded: %s does not "
				"belong to the daemon of %s\n",
			now.what,
			journal ? journal
			: redis ? "this stream"
				: file,
			now.config);
}

/* ---- the request ---- */

static void
write_request(void)
{
	char *asked = json_dumps(now.asked, JSON_COMPACT | JSON_SORT_KEYS);
	const char *said = asked && strlen(asked) < ASKED_BYTES ? asked : "{\"too_long\":true}";
	char body[BODY_BYTES];

	/* "begin" and "end  " have the same length, and so has every number with its
	 * padding */
	int n = snprintf(body, sizeof(body),
		"{\"command\":\"%s\",\"asked\":%s,%s\"records\":%*s0}", now.what, said,
		now.follows ? "\"follow\":\"begin\", " : "", COUNT_DIGITS - 1, "");
	int head = snprintf(now.request, sizeof(now.request),
		"POST /audit/read HTTP/1.1\r\nHost: tollgate\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		n);
	memcpy(now.request + head, body, (size_t)n);
	now.n = (size_t)(head + n);
	now.count_at = now.n - 1 - COUNT_DIGITS;
	now.follow_at = now.follows ? now.count_at - strlen("\"begin\", \"records\":") : 0;
	free(asked);
}

static void
write_count(void)
{
	uint64_t left = now.records;
	char *at = now.request + now.count_at;

	for (size_t i = COUNT_DIGITS; i-- > 0; left /= 10)
		at[i] = left || i == COUNT_DIGITS - 1 ? (char)('0' + left % 10) : ' ';
}

/* Sends the request with system calls alone. Returns the status of the response, or 0 with
 * errno if none arrived. */
static int
send_request(void)
{
	const struct timeval most = { .tv_sec = WAIT_S };
	char answer[16] = "";
	size_t got = 0;
	ssize_t n = 0;
	SCOPED_FD(fd, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	bool ok = connect(fd, (const struct sockaddr *)&now.at, sizeof(now.at)) == 0;
	for (size_t at = 0; ok && at < now.n; at += (size_t)n) {
		n = send(fd, now.request + at, now.n - at, MSG_NOSIGNAL);
		ok = n > 0;
	}
	while (ok && got < 12 && (n = recv(fd, answer + got, 12 - got, 0)) > 0)
		got += (size_t)n;
	if (ok && n == 0)
		errno = ECONNRESET;
	return got < 12 || memcmp(answer, "HTTP/1.1 ", 9) != 0
		       ? 0
		       : (answer[9] - '0') * 100 + (answer[10] - '0') * 10 + answer[11] - '0';
}

static const char *
reading_failure(int status, int err)
{
	return status == 503   ? "the journal cannot be written now"
	       : status == 409 ? "the daemon keeps no records: set audit.journal"
	       : status == 404 ? "the daemon is of an older version"
	       : status	       ? "the daemon refused"
	       : err == EACCES || err == EPERM
		       ? "only root and the daemon's user may use its socket"
	       : err == ENOENT || err == ECONNREFUSED ? "the daemon is not running"
						      : "the daemon does not respond";
}

static void
tell_reading(void)
{
	int status = 0, err = 0;

	if (!now.own && now.other)
		return; /* a message was printed */
	write_count();
	if (!now.why[0]) {
		status = send_request();
		err = errno;
	}
	if (status != 200 && !now.quiet)
		fprintf(stderr, "tollgate: %s: this reading is not recorded: %s%s%s\n", now.what,
			now.why[0] ? now.why : now.at.sun_path, now.why[0] ? "" : ": ",
			now.why[0] ? "" : reading_failure(status, err));
}

/* ---- end of the reading ---- */

/* Handles the first signal: reports the reading, and then lets the signal end the command
 * as usual. */
static void
on_signal(int sig)
{
	if (now.own || !now.other) {
		write_count();
		if (now.why[0] || send_request() != 200) {
			static const char said[] = "tollgate: this reading is not recorded\n";
			ssize_t n = now.quiet ? 0 : write(2, said, sizeof(said) - 1);
			(void)n;
		}
	}
	raise(sig); /* SA_RESETHAND has restored the default action */
}

void
reading_begin(const char *what, const char *config, const struct cmd_option *options,
	char *const *operands, int noperands)
{
	now.what = what;
	now.asked = json_object();
	for (; options->name; options++)
		add_option(options);
	if (noperands > 0) {
		json_t *list = json_array();
		for (int i = 0; i < noperands; i++)
			json_array_append_new(list, reading_text(operands[i]));
		json_object_set_new(now.asked, "operands", list);
	}
	find_daemon(config);
}

/* Called before the first record is shown: from now on, signals report the reading. */
static void
begin_reading(void)
{
	if (now.begun || !now.asked)
		return;
	now.begun = true;
	write_request();
	if (now.follows) {
		tell_reading();
		memcpy(now.request + now.follow_at, "\"end\",   ", 9);
	}
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct sigaction was,
			to = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
		sigfillset(&to.sa_mask);
		sigdelset(&to.sa_mask, ends[i]);
		if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler == SIG_DFL)
			sigaction(ends[i], &to, NULL);
	}
}

void
reading_follows(void)
{
	now.follows = true;
	begin_reading();
}

void
reading_quietly(void)
{
	now.quiet = true;
}

void
reading_add(uint64_t records)
{
	begin_reading();
	now.records += records;
}

int
reading_end(int code)
{
	if (now.asked && (now.records || code != EXIT_CANNOT || now.begun)) {
		begin_reading();
		for (size_t i = 0; i < COUNT_OF(ends); i++)
			signal(ends[i], i ? SIG_DFL : SIG_IGN);
		tell_reading();
	}
	json_decref(now.asked);
	now.asked = NULL;
	return code;
}
