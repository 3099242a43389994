/* The server: one thread with poll(2). A body stays in its socket until a job has a free place,
 * so a waiting file costs only the memory of its head. The body is then written to a memfd and
 * sealed. This is the standard input of a cage, which answers with frames over a pipe, and the
 * frames become JSON. */
#include "extract/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/http.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "extract/document.h"
#include "extract/frame.h"

enum {
	CONNS_MOST = EXTRACT_WAITING + 64,
	READ_BYTES = 64 << 10,
	FIELDS_MOST = 64,
	IDLE_MS = 60000, /* a connection without a request */
	END_MS = 50,	 /* from the end of a pipe to the end of its process */
	SAID_BYTES = EXTRACT_TEXT_BYTES + DOCUMENT_PLACES + (1 << 20),
};

/* The states of a connection:
 *
 *   HEAD -> WAIT -> BODY -> RUN -> REPLY -> HEAD
 *     \\_______\\______\\_____________^    \\-> DRAIN (the rest of a refused body)
 *
 * WAIT: for a place. An error goes from any state to REPLY. */
enum conn_state { CONN_HEAD, CONN_WAIT, CONN_BODY, CONN_RUN, CONN_REPLY, CONN_DRAIN };

/* One connection with its present file. owner: the server. */
struct conn {
	int fd;
	enum conn_state state;
	uint64_t until_us; /* end of the state, or deadline of the file */
	struct buf in;	   /* a head, and bytes that were read after it */
	struct buf out;

	/* the present file */
	struct extract_order order;
	uint64_t seq, began_us;
	unsigned deadline_ms; /* time for the file, from its head on */
	uint64_t left;	      /* bytes of the body that are not read yet */
	bool expects_continue, close;
	int spool; /* memfd, or -1 */
	pid_t pid; /* first process of the cage, or 0 */
	int pipe;  /* from the cage, or -1 */
	struct buf said;
};

/* The server. There is one in the process. */
static struct {
	const struct server_setup *setup;
	int listener, signals;
	struct conn *conns[CONNS_MOST];
	size_t n;
	uint64_t seq;
	unsigned running[2]; /* by extract_order.ocr */
	uint64_t files, by_error[EXTRACT_ERRORS_N];
	bool stopping;
	uint64_t stop_us;
} sv;

/* ---- a connection ---- */

static void
file_done(struct conn *c)
{
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	bool has_place = c->state == CONN_BODY || c->state == CONN_RUN;
	INVARIANT(has_place ? sv.running[c->order.ocr] > 0 : c->pid <= 0 && c->spool < 0);
	if (has_place)
		sv.running[c->order.ocr]--;
	scoped_fd_close(&c->pipe);
	scoped_fd_close(&c->spool);
	c->pid = 0;
	c->pipe = c->spool = -1;
	buf_free(&c->said);
}

static void
conn_close(struct conn *c)
{
	file_done(c);
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	size_t had = sv.n;
	for (size_t i = 0; i < sv.n; i++)
		if (sv.conns[i] == c)
			sv.conns[i] = sv.conns[--sv.n];
	INVARIANT(sv.n + 1 == had);
	free(c);
}

static void
conn_state(struct conn *c, enum conn_state state, unsigned ms)
{
	c->state = state;
	c->until_us = clock_mono_us() + ms * 1000ull;
}

static void
respond(struct conn *c, int status, struct span json)
{
	file_done(c);
	/* a body that was not read would be parsed as the next head */
	c->close = c->close || c->left || sv.stopping;
	http_put_status(&c->out, status);
	buf_printf(&c->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
		json.n, c->close ? "Connection: close\r\n" : "");
	buf_span(&c->out, json);
	conn_state(c, CONN_REPLY, EXTRACT_DEADLINE_MS);
}

static void
respond_error(struct conn *c, enum extract_error error)
{
	SCOPED_BUF(b, 0);

	INVARIANT(error < EXTRACT_ERRORS_N);
	sv.by_error[error]++;
	log_event(LOG_WARN, "extract.failed", LS("why", extract_error_words[error]));
	frame_error(error, &b);
	respond(c, 200, buf_view(&b));
}

/* Refuses a wrong request without reading its body. */
static void
respond_refusal(struct conn *c, int status, const char *why)
{
	SCOPED_BUF(b, 0);

	json_put_form(&b, "{'error':%s}", why);
	respond(c, status, buf_view(&b));
}

static size_t
waiting(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sv.n; i++)
		n += sv.conns[i]->state == CONN_WAIT;
	return n;
}

static void
respond_health(struct conn *c)
{
	SCOPED_BUF(b, 0);

	json_put_form(&b, "{'tools':{");
	for (size_t i = 0; i < JOB_TOOLS; i++)
		json_put_bool(&b, job_tool_names[i], sv.setup->tools[i]);
	json_put_form(&b, "},'version':%s,'files':%u,'failures':{", TG_VERSION, sv.files);
	for (size_t i = EXTRACT_READ + 1; i < EXTRACT_ERRORS_N; i++)
		json_put_uint(&b, extract_error_words[i], sv.by_error[i]);
	json_put_form(&b, "},'running':%u,'waiting':%u}",
		(uint64_t)sv.running[0] + sv.running[1], (uint64_t)waiting());
	respond(c, 200, buf_view(&b));
}

/* ---- a file ---- */

static bool
tools_there(const struct extract_order *o)
{
	const bool *has = sv.setup->tools;

	if (o->document)
		return true;
	if (o->picture)
		return has[JOB_TESSERACT];
	return has[JOB_PDFTOTEXT] && has[JOB_PDFTOHTML] && has[JOB_PDFTOPPM] &&
	       (!o->ocr || has[JOB_TESSERACT]);
}

/* Starts a cage for a file whose body is complete. */
static void
run_file(struct conn *c)
{
	uint64_t now = clock_mono_us();
	int out[2];

	INVARIANT(c->state == CONN_BODY && !c->left && c->spool >= 0 && c->pid <= 0);
	fcntl(c->spool, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	c->order.budget_ms = now < c->until_us ? (unsigned)((c->until_us - now) / 1000) : 0;
	if (pipe2(out, O_CLOEXEC) < 0) {
		respond_error(c, EXTRACT_KILLED);
		return;
	}
	c->pid = cage_start(&sv.setup->cage, c->spool, out[1], job_main, &c->order);
	close(out[1]);
	c->pipe = out[0];
	if (c->pid < 0) {
		log_event(LOG_ERROR, "extract.cage", LS("error", strerror(errno)));
		respond_error(c, EXTRACT_KILLED);
		return;
	}
	fcntl(c->pipe, F_SETFL, O_NONBLOCK);
	buf_init(&c->said, SAID_BYTES);
	c->state = CONN_RUN;
}

static bool
spool_bytes(struct conn *c, struct span s)
{
	while (s.n) {
		ssize_t n = write(c->spool, s.p, s.n);
		if (n < 0)
			return false;
		s = span_cut(s, (size_t)n, s.n);
	}
	return true;
}

/* Gives the file a free place and begins to read its body. */
static void
claim_place(struct conn *c)
{
	INVARIANT(c->state == CONN_WAIT && c->pid <= 0 && c->spool < 0 && c->left);
	sv.running[c->order.ocr]++;
	c->state = CONN_BODY;
	c->until_us = c->began_us + c->deadline_ms * 1000ull;
	c->spool = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t ahead = c->in.n < c->left ? c->in.n : (size_t)c->left;
	if (c->spool < 0 || !spool_bytes(c, span_cut(buf_view(&c->in), 0, ahead))) {
		respond_error(c, EXTRACT_MEMORY);
		return;
	}
	buf_consume(&c->in, ahead);
	c->left -= ahead;
	if (c->left && c->expects_continue && !ahead)
		buf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	if (!c->left)
		run_file(c);
}

/* The file that has waited longest is first. OCR has places of its own. */
static void
start_waiting(void)
{
	for (int ocr = 0; ocr < 2; ocr++) {
		unsigned most = ocr ? EXTRACT_OCR_JOBS : sv.setup->jobs;
		for (;;) {
			struct conn *first = NULL;
			for (size_t i = 0; i < sv.n; i++) {
				struct conn *c = sv.conns[i];
				if (c->state == CONN_WAIT && c->order.ocr == (ocr != 0) &&
					(!first || c->seq < first->seq))
					first = c;
			}
			if (!first || sv.running[ocr] >= most)
				break;
			claim_place(first);
		}
	}
}

/* Returns the error for a cage that closed its pipe although the server did not kill it. A cage
 * whose process continues after that was taken over by an attacker. */
static enum extract_error
end_of_cage(struct conn *c)
{
	const struct timespec step = { 0, 1000000 };
	int status = 0;
	pid_t ended = 0;

	for (int ms = 0; ms < END_MS && ended == 0; ms++) {
		ended = waitpid(c->pid, &status, WNOHANG);
		if (ended == 0)
			nanosleep(&step, NULL);
	}
	if (ended == 0)
		return EXTRACT_KILLED; /* file_done() ends it */
	c->pid = 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? EXTRACT_MEMORY
								  : EXTRACT_KILLED;
}

static void
file_ended(struct conn *c)
{
	SCOPED_BUF(json, 0);
	enum extract_error error = frame_answer(buf_view(&c->said), end_of_cage(c), &json);
	struct frame f;

	if (c->said.n >= sizeof(f)) {
		memcpy(&f, c->said.p + c->said.start, sizeof(f));
		if (f.kind == FRAME_CAGE)
			log_event(LOG_ERROR, "extract.cage",
				LSP("error",
					span_cut(buf_view(&c->said), sizeof(f), c->said.n)));
	}
	sv.files++;
	sv.by_error[error]++;
	log_event(error ? LOG_WARN : LOG_DEBUG, "extract.file",
		LS("read", extract_error_words[error]),
		LI("ms", (clock_mono_us() - c->began_us) / 1000));
	respond(c, 200, buf_view(&json));
}

static void
read_pipe(struct conn *c)
{
	for (;;) {
		char *to = buf_reserve(&c->said, READ_BYTES);
		ssize_t n = to ? read(c->pipe, to, READ_BYTES) : 0;
		if (!to) {
			respond_error(c, EXTRACT_TOO_LARGE);
			return;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			file_ended(c);
			return;
		}
		buf_commit(&c->said, (size_t)n);
	}
}

/* ---- a request ---- */

/* Returns the milliseconds that the asking side waits. */
static unsigned
waits_ms(const struct http_head *h)
{
	struct span value;
	uint64_t ms;

	if (http_field_one(h, EXTRACT_DEADLINE_FIELD, &value) != 1 || span_u64(value, &ms))
		return EXTRACT_DEADLINE_MS;
	return ms < EXTRACT_DEADLINE_MOST_MS ? (unsigned)ms : EXTRACT_DEADLINE_MOST_MS;
}

static unsigned
at_most(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void
take_file(struct conn *c, const struct http_message *m)
{
	unsigned waits = waits_ms(&m->head);

	c->deadline_ms = waits - at_most(EXTRACT_REPLY_MS, waits / 10);
	c->order = (struct extract_order){ .picture = span_is(m->head.path, "/image"),
		.document = span_is(m->head.path, "/document") };
	c->order.ocr = span_is(m->head.query, "ocr=1");
	c->order.lanes = at_most(sv.setup->jobs, EXTRACT_LANES);
	c->left = m->framing == HTTP_LENGTH ? m->length : 0;
	c->expects_continue = m->expects_continue;
	c->began_us = clock_mono_us();
	c->seq = sv.seq++;
	if (m->framing == HTTP_CHUNKED)
		respond_refusal(c, 411, "Content-Length is required");
	else if (m->head.has_query && !c->order.ocr)
		respond_refusal(c, 400, "the query may be ocr=1");
	else if (c->order.picture && !c->order.ocr)
		respond_refusal(c, 400, "a picture needs ?ocr=1");
	else if (c->left > EXTRACT_BODY_BYTES)
		respond_refusal(c, 413, "over 64 MB");
	else if (!c->left)
		respond_error(c, EXTRACT_UNSUPPORTED);
	else if (!tools_there(&c->order))
		respond_error(c, EXTRACT_NO_TOOL);
	else if (waiting() >= EXTRACT_WAITING)
		respond_error(c, EXTRACT_BUSY);
	else
		conn_state(c, CONN_WAIT, waits - at_most(EXTRACT_BEGIN_MS, waits / 4));
}

static void
take_request(struct conn *c)
{
	struct http_field fields[FIELDS_MOST];
	struct http_message m;
	struct http_scan scan = { 0 };
	ssize_t n = http_parse_request(buf_view(&c->in), &scan, fields, FIELDS_MOST, &m);

	if (n == 0 && c->in.n < EXTRACT_HEAD_BYTES)
		return;
	c->close = n <= 0 || m.close;
	c->left = 0;
	if (n <= 0) {
		respond_refusal(c, n ? 400 : 431, "no request");
		return;
	}
	bool file = span_is(m.head.path, "/pdf") || span_is(m.head.path, "/image") ||
		    span_is(m.head.path, "/document");
	if (m.framing != HTTP_NO_BODY)
		c->left = m.framing == HTTP_LENGTH ? m.length : 1;
	if (file && span_is(m.head.method, "POST"))
		take_file(c, &m);
	else if (span_is(m.head.path, "/health") && span_is(m.head.method, "GET"))
		respond_health(c);
	else
		respond_refusal(
			c, file ? 405 : 404, "POST /pdf, POST /image?ocr=1, POST /document, GET /health");
	buf_consume(&c->in, (size_t)n);
}

/* Reads from the socket into the spool or the head. Returns false if the connection must be
 * closed. */
static bool
conn_receive(struct conn *c)
{
	static char step[READ_BYTES];
	size_t most = sizeof(step);

	if (c->state == CONN_HEAD)
		most = EXTRACT_HEAD_BYTES - c->in.n;
	else if (c->left < most)
		most = (size_t)c->left;
	ssize_t n = recv(c->fd, step, most, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (c->state == CONN_HEAD) {
		buf_put(&c->in, step, (size_t)n);
		take_request(c);
		return true;
	}
	INVARIANT((uint64_t)n <= c->left);
	c->left -= (size_t)n;
	if (c->state == CONN_DRAIN)
		return c->left > 0;
	if (!spool_bytes(c, span_of(step, (size_t)n)))
		respond_error(c, EXTRACT_MEMORY);
	else if (!c->left)
		run_file(c);
	return true;
}

/* Returns false if the connection must be closed. */
static bool
conn_send(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.p + c->out.start, c->out.n, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_consume(&c->out, (size_t)n);
	if (c->out.n || c->state != CONN_REPLY)
		return true;
	buf_free(&c->out);
	if (c->close && c->left) {
		/* if the socket were closed at once, a client that still sends would lose the
		 * response */
		shutdown(c->fd, SHUT_WR);
		c->left = 2ull * EXTRACT_BODY_BYTES;
		conn_state(c, CONN_DRAIN, 2000);
		return true;
	}
	if (c->close)
		return false;
	conn_state(c, CONN_HEAD, IDLE_MS);
	if (c->in.n)
		take_request(c);
	return true;
}

static void
conn_late(struct conn *c)
{
	switch (c->state) {
	case CONN_WAIT: respond_error(c, EXTRACT_BUSY); break;
	case CONN_BODY:
	case CONN_RUN:
		sv.files++;
		respond_error(c, EXTRACT_TIMEOUT);
		break;
	default: conn_close(c);
	}
}

static short
wanted_events(const struct conn *c)
{
	short events = POLLRDHUP;

	if (c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_DRAIN)
		events |= POLLIN;
	if (c->out.n)
		events |= POLLOUT;
	return events;
}

static void
conn_event(struct conn *c, short events)
{
	bool there = !(events & (POLLERR | POLLNVAL));

	if (there && events & POLLOUT)
		there = conn_send(c);
	else if (there && events & POLLIN)
		there = conn_receive(c);
	else if (events & (POLLRDHUP | POLLHUP))
		there = c->state == CONN_REPLY && !(events & POLLHUP);
	if (!there)
		conn_close(c);
}

/* ---- the loop ---- */

static void
accept_conns(void)
{
	while (sv.n < CONNS_MOST) {
		int fd = accept4(sv.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct conn *c = calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			return;
		}
		c->fd = fd;
		c->spool = c->pipe = -1;
		buf_init(&c->in, EXTRACT_HEAD_BYTES);
		buf_init(&c->out, 0);
		conn_state(c, CONN_HEAD, IDLE_MS);
		sv.conns[sv.n++] = c;
	}
}

static void
take_signals(void)
{
	struct signalfd_siginfo info;

	while (read(sv.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (sv.stopping)
			sv.stop_us = 0;
		else
			sv.stop_us = clock_mono_us() + EXTRACT_TERM_MS * 1000ull;
		sv.stopping = true;
	}
}

/* Closes connections while the server stops: running files may end, all others are closed.
 * Returns true once none is left. */
static bool
stopped(void)
{
	if (!sv.stopping)
		return false;
	bool late = clock_mono_us() >= sv.stop_us;
	for (size_t i = sv.n; i-- > 0;) {
		enum conn_state s = sv.conns[i]->state;
		if (late || s == CONN_HEAD || s == CONN_WAIT || s == CONN_DRAIN)
			conn_close(sv.conns[i]);
	}
	return sv.n == 0;
}

static int
until_next(void)
{
	uint64_t now = clock_mono_us(), next = now + 60000000;

	if (sv.stopping && sv.stop_us < next)
		next = sv.stop_us;
	for (size_t i = 0; i < sv.n; i++)
		if (sv.conns[i]->until_us < next)
			next = sv.conns[i]->until_us;
	return next <= now ? 0 : (int)((next - now) / 1000) + 1;
}

static void
serve_once(void)
{
	static struct pollfd p[2 + 2 * CONNS_MOST];
	static struct conn *of[CONNS_MOST];
	size_t n = sv.n;

	p[0] = (struct pollfd){ sv.signals, POLLIN, 0 };
	p[1] = (struct pollfd){ sv.stopping || n == CONNS_MOST ? -1 : sv.listener, POLLIN, 0 };
	for (size_t i = 0; i < n; i++) {
		of[i] = sv.conns[i];
		p[2 + 2 * i] = (struct pollfd){ of[i]->fd, wanted_events(of[i]), 0 };
		p[3 + 2 * i] = (struct pollfd){ of[i]->state == CONN_RUN ? of[i]->pipe : -1,
			POLLIN, 0 };
	}
	if (poll(p, 2 + 2 * n, until_next()) < 0)
		return;
	if (p[0].revents)
		take_signals();
	uint64_t now = clock_mono_us();
	for (size_t i = 0; i < n; i++) {
		if (p[3 + 2 * i].revents)
			read_pipe(of[i]);
		else if (p[2 + 2 * i].revents)
			conn_event(of[i], p[2 + 2 * i].revents);
		else if (now >= of[i]->until_us)
			conn_late(of[i]);
	}
	if (p[1].revents)
		accept_conns();
	start_waiting();
}

int
extract_serve(int listener, const struct server_setup *setup)
{
	sigset_t set;

	sv.setup = setup;
	sv.listener = listener;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sv.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sv.signals < 0)
		return 1;
	while (!stopped())
		serve_once();
	log_event(LOG_INFO, "extract.stopped", LI("files", sv.files));
	return 0;
}
