/* The states of a hand-over on both sides, which handover.h shows. All waits are bounded. They
 * block the main thread, which serves no requests. */
#include "operator/handover/handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/why.h"
#include "net/listen.h"
#include "operator/handover/handover_wire.h"

enum {
	STEP_MS = 2000, /* time for one message */
	/* from TAKE to the first connection, because decisions in flight end first */
	TAKE_MS = 10000,
	FREEZE_SLACK_US = 300000, /* added to agent.deadline, so that all ACKs are sent */
	SHARED_MAX = CONFIG_LISTENERS_MAX + 4,
	CONNECTIONS_MAX = 1 << 16,
};

/* ---- addresses ---- */

/* Stores the address AGENT.sock.hand, beside the first Unix socket of the agents. Returns false
 * if there is no such socket. */
static bool
hand_address(const struct config *cfg, struct address *out, char text[256])
{
	for (size_t i = 0; i < cfg->nagent; i++)
		if (cfg->agent[i].path) {
			*out = (struct address){ .path = text, .text = text };
			return snprintf(text, 256, "%s.hand", cfg->agent[i].path) < 108;
		}
	return false;
}

/* Collects the sockets on which only the instance that decides accepts. */
static size_t
shared_addresses(const struct config *cfg, struct address out[SHARED_MAX], char text[256])
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->nagent; i++)
		out[n++] = cfg->agent[i];
	if (cfg->has_admin)
		out[n++] = cfg->admin;
	if (cfg->has_admin_tcp)
		out[n++] = cfg->admin_tcp;
	if (cfg->has_admin_tls)
		out[n++] = cfg->admin_tls;
	INVARIANT(n < SHARED_MAX);
	return n + hand_address(cfg, &out[n], text);
}

static void
give_shared(const struct config *cfg, bool given)
{
	struct address all[SHARED_MAX];
	char text[256];
	size_t n = shared_addresses(cfg, all, text);

	for (size_t i = 0; i < n; i++)
		listen_given(&all[i], given);
}

/* Sets a time limit for each later send and receive. */
static void
handover_bound(int socket, unsigned ms)
{
	const struct timeval t = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 };

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static int
dial_deciding_instance(const struct config *cfg)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct address at;
	char text[256];

	if (!hand_address(cfg, &at, text))
		return -1;
	memcpy(sa.sun_path, text, strlen(text));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int before = errno;
		close(fd);
		errno = before;
		return -1;
	}
	if (fd >= 0)
		handover_bound(fd, STEP_MS);
	return fd;
}

static int
send_plain(int fd, enum handover_kind kind, struct span bytes)
{
	return handover_send(
		fd, &(struct handover_msg){ .kind = kind, .fd = -1 }, bytes, span_of(NULL, 0));
}

/* ---- the instance that decides ---- */

/* Changes the state. Stops the program if the change is not allowed, because then both
 * instances would decide, or none. */
static void
handover_enter(struct handover *h, enum handover_state next)
{
	static const unsigned char follows[HANDOVER_STATES] = {
		[HANDOVER_ALONE] = 1u << HANDOVER_EXPECTS | 1u << HANDOVER_JOINED,
		[HANDOVER_EXPECTS] = 1u << HANDOVER_JOINED | 1u << HANDOVER_ALONE,
		[HANDOVER_JOINED] = 1u << HANDOVER_PASSING | 1u << HANDOVER_ALONE,
		[HANDOVER_PASSING] = 1u << HANDOVER_GONE | 1u << HANDOVER_ALONE,
	};

	INVARIANT(h->state < HANDOVER_STATES && follows[h->state] & 1u << next);
	h->state = next;
}

static void
hang_up(struct handover *h, ev_io *w)
{
	if (w->fd < 0)
		return;
	ev_io_stop(h->loop, w);
	close(w->fd);
	w->fd = -1;
}

/* Ends the hand-over: the command and the other instance get the reason, and this instance
 * keeps deciding. */
static void
call_off(struct handover *h, struct span why)
{
	if (h->state == HANDOVER_ALONE || h->state == HANDOVER_GONE)
		return;
	log_event(LOG_WARN, "upgrade.failed", LSP("why", why));
	if (h->instance.fd >= 0)
		send_plain(h->instance.fd, HAND_REFUSED, why);
	if (h->command.fd >= 0)
		send_plain(h->command.fd, HAND_REFUSED, why);
	hang_up(h, &h->instance);
	hang_up(h, &h->command);
	give_shared(h->cfg, false);
	handover_enter(h, HANDOVER_ALONE);
}

/* Returns why a hand-over may not begin, or NULL. */
static const char *
may_not_begin(const struct handover *h)
{
	const struct config *cfg = h->cfg;

	if (atomic_load(h->draining))
		return "the daemon is stopping: wait until it has ended, then start it";
	if (h->state != HANDOVER_ALONE)
		return "an upgrade is in progress: wait until it has ended";
	if (!cfg->redis_url)
		return "redis.url is not set, so limits, nonces and concurrent requests are "
		       "counted in the running process and would start again at 0: configure "
		       "Redis, or restart instead";
	if (cfg->witness_listen.path)
		return "witness.listen is set: this daemon cosigns checkpoints, and only one "
		       "process may write that state: restart instead";
	return NULL;
}

/* Waits until every worker's flag (a member at this offset) has the wanted value. Returns false
 * after most_us. */
static bool
all_workers(const struct handover *h, size_t flag, bool want, uint64_t most_us)
{
	uint64_t until_us = clock_mono_us() + most_us;

	for (;;) {
		unsigned n = 0;
		for (; n < h->nworkers; n++) {
			const _Atomic bool *f =
				(const void *)((const char *)&h->workers[n] + flag);
			if (atomic_load_explicit(f, memory_order_acquire) != want)
				break;
		}
		if (n == h->nworkers)
			return true;
		if (clock_mono_us() >= until_us)
			return false;
		usleep(200);
	}
}

static void
order_all(struct handover *h, enum worker_order o)
{
	for (unsigned i = 0; i < h->nworkers; i++)
		worker_order(&h->workers[i], o);
}

static int
send_connection(void *arg, const struct agent_parcel *p)
{
	const struct handover *h = arg;
	const struct handover_msg m = { HAND_CONNECTION, p->max_frame, (uint32_t)p->engine.n,
		p->greeted, p->fd };

	return handover_send(h->instance.fd, &m, p->engine, p->in);
}

/* Returns true if the new instance has sent DECIDES, otherwise false with *why. After SHUT_RD,
 * it can send nothing more, so both sides agree; this side can still send REFUSED. */
static bool
was_decided(int fd, struct buf *why)
{
	struct handover_msg m;
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	int err = handover_receive(fd, &m, &bytes);
	if (err == ERR_TIMEOUT) {
		shutdown(fd, SHUT_RD);
		err = handover_receive(fd, &m, &bytes);
	}
	if (!err && m.kind == HAND_DECIDES)
		return true;
	if (!err && m.kind == HAND_REFUSED)
		buf_span(why, buf_view(&bytes));
	else
		buf_str(why, "the new instance ended while it took over: see its log");
	return false;
}

static void
finish_handing_over(struct handover *h)
{
	handover_enter(h, HANDOVER_GONE);
	order_all(h, WORKER_HANDED);
	all_workers(h, offsetof(struct worker, handed), true, STEP_MS * 1000);
	if (h->command.fd >= 0)
		send_plain(h->command.fd, HAND_DECIDES, span_of(NULL, 0));
	hang_up(h, &h->command);
	hang_up(h, &h->instance);
	ev_io_stop(h->loop, &h->listener);
	close(h->fd);
	h->fd = -1;
	log_event(LOG_INFO, "upgrade.handed");
	h->ops->gone(h->arg);
}

/* The older instance's last step: freezes the workers, waits until no decision is in flight,
 * passes each connection of HAProxy and then GO. If a step fails before the new instance has
 * confirmed, the workers continue and the handover is called off. */
static void
pass_connections(struct handover *h)
{
	uint64_t began_us = clock_mono_us();
	bool went = false;
	SCOPED_BUF(why, 8192);

	handover_enter(h, HANDOVER_PASSING);
	order_all(h, WORKER_FREEZE);
	if (!all_workers(h, offsetof(struct worker, still), true,
		    h->cfg->agent_deadline_us + FREEZE_SLACK_US))
		buf_str(&why, "decisions in flight did not end within agent.deadline");
	for (unsigned i = 0; i < h->nworkers && !why.n; i++)
		if (agent_parcels(h->workers[i].agent, send_connection, h))
			buf_str(&why, "a connection could not be passed to the new instance");
	/* If GO cannot be sent, the closed connection is noticed next. */
	if (!why.n) {
		SCOPED_BUF(told, HAND_TOLD_BYTES);
		h->ops->tell(h->arg, &told);
		send_plain(h->instance.fd, HAND_GO, buf_view(&told));
		went = was_decided(h->instance.fd, &why);
	}
	if (went) {
		log_event(
			LOG_INFO, "upgrade.passed", LI("took_us", clock_mono_us() - began_us));
		finish_handing_over(h);
		return;
	}
	order_all(h, WORKER_THAW);
	all_workers(h, offsetof(struct worker, still), false, STEP_MS * 1000);
	call_off(h, buf_view(&why));
}

/* Returns true if this instance ended a reload after the new instance began to read its files.
 */
static bool
reloaded_since(const struct handover *h, struct span loaded)
{
	uint64_t loaded_us = 0;

	if (loaded.n == sizeof(loaded_us))
		memcpy(&loaded_us, loaded.p, sizeof(loaded_us));
	return h->ordered_us > loaded_us;
}

static void
on_instance(struct ev_loop *loop UNUSED, ev_io *w, int revents UNUSED)
{
	struct handover *h = TAGGED(handover, w->data);
	struct handover_msg m;
	SCOPED_BUF(bytes, HANDOVER_BYTES);
	SCOPED_BUF(why, 8192);

	if (handover_receive(w->fd, &m, &bytes))
		buf_str(&why, "the new instance ended before it was ready: see its log");
	else if (m.fd >= 0)
		close(m.fd);
	if (!why.n && m.kind == HAND_TAKE) {
		if (!reloaded_since(h, buf_view(&bytes)))
			pass_connections(h);
		else if (send_plain(w->fd, HAND_AGAIN, span_of(NULL, 0)))
			call_off(h, SPAN_LIT("the new instance ended before it was ready: see "
					     "its log"));
		return;
	}
	if (!why.n)
		buf_span(&why, buf_view(&bytes));
	call_off(h, buf_view(&why));
}

/* The command sends nothing after EXPECT, so it has ended. */
static void
on_command(struct ev_loop *loop UNUSED, ev_io *w, int revents UNUSED)
{
	struct handover *h = TAGGED(handover, w->data);

	hang_up(h, w);
	call_off(h, SPAN_LIT("the command was interrupted"));
}

static void
keep_connection(struct handover *h, ev_io *w, int fd)
{
	ev_io_set(w, fd, EV_READ);
	ev_io_start(h->loop, w);
}

static const char *
other_instance(void)
{
	return config_is_second() ? "a" : "b";
}

static bool
serve_expect(struct handover *h, int fd)
{
	const char *why = may_not_begin(h);

	if (why) {
		send_plain(fd, HAND_REFUSED, span_str(why));
		return false;
	}
	handover_enter(h, HANDOVER_EXPECTS);
	keep_connection(h, &h->command, fd);
	send_plain(fd, HAND_OTHER, span_str(other_instance()));
	return true;
}

/* Handles a new instance's JOIN: refuses it with a reason, or passes each listening socket and
 * then SOCKETS. Returns false if the connection may be closed. */
static bool
serve_join(struct handover *h, int fd, bool unannounced, struct span node)
{
	const struct config *cfg = h->cfg;
	const char *why = unannounced && h->state != HANDOVER_EXPECTS ? may_not_begin(h) : NULL;
	struct address all[SHARED_MAX];
	char text[256];

	if (!why && h->state != HANDOVER_EXPECTS && !unannounced)
		why = "another process decides here: use tollgate upgrade to start the other "
		      "instance";
	const bool own = span_eq(node, span_str(cfg->node));
	if (own)
		why = "another process of this node decides here: stop it first";
	if (why) {
		handover_send(fd,
			&(struct handover_msg){ .kind = HAND_REFUSED, .value = own, .fd = -1 },
			span_str(why), span_of(NULL, 0));
		return false;
	}
	handover_enter(h, HANDOVER_JOINED);
	keep_connection(h, &h->instance, fd);
	give_shared(cfg, true);
	size_t n = shared_addresses(cfg, all, text);
	for (size_t i = 0; i < n; i++) {
		const struct handover_msg m = { .kind = HAND_SOCKET,
			.fd = listen_opened(&all[i]) };
		if (m.fd >= 0 &&
			handover_send(fd, &m, span_str(all[i].text), span_of(NULL, 0))) {
			call_off(h, SPAN_LIT("a listening socket could not be passed"));
			return true;
		}
	}
	send_plain(fd, HAND_SOCKETS, span_of(NULL, 0));
	log_event(LOG_INFO, "upgrade.begun", LSP("node", node));
	return true;
}

static void
on_hand(struct ev_loop *loop UNUSED, ev_io *w, int revents UNUSED)
{
	struct handover *h = TAGGED(handover, w->data);
	struct handover_msg m;
	SCOPED_BUF(bytes, HANDOVER_BYTES);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	handover_bound(fd, STEP_MS);
	int err = handover_receive(fd, &m, &bytes);
	if (!err && m.fd >= 0)
		close(m.fd);
	bool kept = false;
	if (err == ERR_UNSUPPORTED)
		send_plain(fd, HAND_REFUSED,
			SPAN_LIT("this version uses another format for the hand-over: restart "
				 "instead"));
	else if (!err && m.kind == HAND_EXPECT)
		kept = serve_expect(h, fd);
	else if (!err && m.kind == HAND_OTHER)
		send_plain(fd, HAND_OTHER, span_str(other_instance()));
	else if (!err && m.kind == HAND_JOIN)
		kept = serve_join(h, fd, m.value == 1, buf_view(&bytes));
	if (!kept)
		close(fd);
}

void
handover_init(struct handover *h, struct ev_loop *loop, const _Atomic bool *draining,
	const struct handover_ops *ops, void *arg)
{
	*h = (struct handover){ .loop = loop,
		.draining = draining,
		.fd = -1,
		.older = -1,
		.ops = ops,
		.arg = arg };
	TAG(handover, h);
	ev_io_init(&h->listener, on_hand, -1, EV_READ);
	ev_io_init(&h->command, on_command, -1, EV_READ);
	ev_io_init(&h->instance, on_instance, -1, EV_READ);
	h->listener.data = h->command.data = h->instance.data = h;
}

void
handover_serve(struct handover *h)
{
	struct address at;
	char text[256];
	SCOPED_BUF(why, 512);

	if (!hand_address(h->cfg, &at, text))
		return;
	h->fd = listen_open(&at, 0600, NULL, &why);
	if (h->fd < 0) {
		log_event(LOG_WARN, "upgrade.unavailable", LSP("why", buf_view(&why)));
		return;
	}
	ev_io_set(&h->listener, h->fd, EV_READ);
	ev_io_start(h->loop, &h->listener);
}

void
handover_stop(struct handover *h, struct span why)
{
	struct address at;
	char text[256];

	if (h->older >= 0) {
		send_plain(h->older, HAND_REFUSED, why);
		close(h->older);
		h->older = -1;
	}
	call_off(h, why);
	if (h->fd < 0)
		return;
	ev_io_stop(h->loop, &h->listener);
	close(h->fd);
	h->fd = -1;
	if (hand_address(h->cfg, &at, text))
		listen_unlink(&at);
}

/* ---- the instance that starts ---- */

static int
refused_by_older(int err, const struct buf *bytes, struct buf *why)
{
	if (err)
		return why_err(
			why, ERR_BAD_STATE, "the instance that decides: %s", err_str(err));
	buf_span(why, buf_view(bytes));
	return ERR_BAD_STATE;
}

/* The new instance's first step: connects to the instance that decides and takes its listening
 * sockets. A refusal because of an equal node name is no error here: the start continues, and
 * the journal's lock refuses it with a better message. */
int
handover_join(struct handover *h, bool take, struct buf *why)
{
	const struct config *cfg = h->cfg;
	const struct handover_msg join = { .kind = HAND_JOIN, .value = take, .fd = -1 };
	struct handover_msg m = { .fd = -1 };
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	h->older = dial_deciding_instance(cfg);
	if (h->older < 0)
		return 0; /* no instance decides */
	int err = handover_send(h->older, &join, span_str(cfg->node), span_of(NULL, 0));
	while (!err && !(err = handover_receive(h->older, &m, &bytes)) &&
		m.kind == HAND_SOCKET) {
		buf_putc(&bytes, '\0');
		if (m.fd < 0 || listen_inherit(buf_view(&bytes).p, m.fd))
			err = ERR_FULL;
	}
	if (!err && m.kind == HAND_SOCKETS)
		return 0;
	/* The lock of the journal will refuse a second process of the same node, and names it.
	 */
	bool own = !err && m.kind == HAND_REFUSED && m.value == 1;
	if (!own)
		err = refused_by_older(err, &bytes, why);
	close(h->older);
	h->older = -1;
	if (!own)
		give_shared(cfg, true); /* the socket files belong to the other instance */
	return own ? 0 : err;
}

bool
handover_other_decides(const struct config *cfg)
{
	int fd = dial_deciding_instance(cfg);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
handover_joined(const struct handover *h)
{
	return h->older >= 0;
}

/* The connections that were received. */
struct taken {
	struct agent_parcel *all;
	size_t n, room;
	bool go; /* GO has arrived, so all connections have */
};

static int
keep_parcel(struct taken *t, const struct handover_msg *m, const struct buf *bytes)
{
	if (t->n == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		void *p = room <= CONNECTIONS_MAX ? realloc(t->all, room * sizeof(*t->all))
						  : NULL;
		if (!p)
			return ERR_NOMEM;
		t->all = p;
		t->room = room;
	}
	char *copy = malloc(bytes->n + 1);
	if (!copy)
		return ERR_NOMEM;
	memcpy(copy, buf_view(bytes).p, bytes->n);
	t->all[t->n++] = (struct agent_parcel){ .fd = m->fd,
		.greeted = m->greeted != 0,
		.max_frame = m->value,
		.engine = span_of(copy, m->nengine),
		.in = span_of(copy + m->nengine, bytes->n - m->nengine) };
	return 0;
}

/* Sends TAKE, and sends it again after each AGAIN. *m is then the first other message of the
 * older instance. Returns 0, ERR_CLOSED if the older process has ended, or another negative
 * error with *why. */
static int
ask_to_take(struct handover *h, struct handover_msg *m, struct buf *bytes, struct buf *why)
{
	for (;;) {
		const uint64_t loaded_us = h->loaded_us;
		int err = send_plain(h->older, HAND_TAKE,
			span_of((const char *)&loaded_us, sizeof(loaded_us)));
		/* The older instance sends REFUSED before it closes the connection, so a
		 * message may be waiting even after ERR_CLOSED. */
		if (!err || err == ERR_CLOSED)
			err = handover_receive(h->older, m, bytes);
		if (err && err != ERR_CLOSED)
			return refused_by_older(err, bytes, why);
		if (err || m->kind != HAND_AGAIN)
			return err;
		err = h->ops->load(h->arg, why);
		if (err)
			return err;
	}
}

/* Receives connections until GO. Returns 0 if this instance shall decide; it must send DECIDES
 * if t->go is set. */
static int
receive_connections(struct handover *h, struct taken *t, struct buf *why)
{
	struct handover_msg m = { .fd = -1 };
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	handover_bound(h->older, TAKE_MS);
	int err = ask_to_take(h, &m, &bytes, why);
	if (err)
		return err == ERR_CLOSED ? 0 : err;
	while (!err && m.kind == HAND_CONNECTION && m.fd >= 0) {
		err = keep_parcel(t, &m, &bytes);
		if (!err)
			err = handover_receive(h->older, &m, &bytes);
	}
	/* After connections, a REFUSED may not fit into the socket, so a closed connection does
	 * not prove that the older process has ended. */
	if (err || m.kind != HAND_GO)
		return refused_by_older(err, &bytes, why);
	t->go = true;
	h->ops->told(h->arg, buf_view(&bytes));
	return 0;
}

/* Returns 0 if this instance decides. */
static int
send_decides(struct handover *h, struct buf *why)
{
	struct handover_msg m = { .fd = -1 };
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	int err = send_plain(h->older, HAND_DECIDES, span_of(NULL, 0));
	if (err == ERR_CLOSED) {
		err = handover_receive(h->older, &m, &bytes);
		if (err == ERR_CLOSED)
			return 0; /* the older process has ended */
		return refused_by_older(err, &bytes, why);
	}
	return err ? refused_by_older(err, &bytes, why) : 0;
}

int
handover_take(struct handover *h, const int *agent_fds, size_t n, struct buf *why)
{
	struct taken t = { .n = 0 };
	int err = h->older >= 0 ? receive_connections(h, &t, why) : 0;

	if (!err && t.go)
		err = send_decides(h, why);
	for (unsigned i = 0; i < h->nworkers && !err; i++)
		worker_accept(&h->workers[i], agent_fds, n);
	for (size_t i = 0; i < t.n; i++) {
		if (err || worker_adopt(&h->workers[i % h->nworkers], &t.all[i]))
			close(t.all[i].fd);
		free((char *)(uintptr_t)t.all[i].engine.p);
	}
	if (h->older >= 0 && !err) {
		give_shared(h->cfg, false);
		log_event(LOG_INFO, "upgrade.taken", LI("connections", t.n));
		close(h->older);
		h->older = -1;
	}
	free(t.all);
	return err;
}

/* ---- the command ---- */

int
handover_expect(const struct config *cfg, int *fd, char other[2], struct buf *why)
{
	struct handover_msg m;
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	*fd = dial_deciding_instance(cfg);
	if (*fd < 0)
		return why_err(why, ERR_NOTFOUND,
			"no daemon that supports the hand-over responds next to agent.listen "
			"(%s): start "
			"the daemon; versions up to 0.2 need one restart",
			strerror(errno));
	int err = send_plain(*fd, HAND_EXPECT, span_of(NULL, 0));
	if (!err)
		err = handover_receive(*fd, &m, &bytes);
	struct span name = buf_view(&bytes);
	if (!err && m.kind == HAND_OTHER && (span_is(name, "a") || span_is(name, "b"))) {
		other[0] = span_is(name, "a") ? 'a' : 'b';
		other[1] = '\0';
		return 0;
	}
	return refused_by_older(err, &bytes, why);
}

/* Returns true if the instance decides. If the older one was killed, the new one decides as
 * soon as it is ready, and then answers this question. */
static bool
decides_now(const struct config *cfg, const char *instance)
{
	struct handover_msg m = { .fd = -1 };
	SCOPED_BUF(bytes, HANDOVER_BYTES);
	SCOPED_FD(fd, dial_deciding_instance(cfg));

	return fd >= 0 && send_plain(fd, HAND_OTHER, span_of(NULL, 0)) == 0 &&
	       handover_receive(fd, &m, &bytes) == 0 && m.kind == HAND_OTHER &&
	       !span_is(buf_view(&bytes), instance);
}

/* Waits for the message DECIDES on `fd`. If the connection closes, the older instance may have
 * ended after it passed everything, so the function then asks the instance that decides whether
 * it is `instance`. */
int
handover_outcome(const struct config *cfg, int fd, const char *instance, int most_s,
	bool (*over)(void *arg), void *arg, struct buf *why)
{
	uint64_t until_us = clock_mono_us() + (uint64_t)most_s * 1000000;
	struct handover_msg m;
	SCOPED_BUF(bytes, HANDOVER_BYTES);

	for (bool killed = false; clock_mono_us() < until_us;) {
		struct pollfd p = { killed ? -1 : fd, POLLIN, 0 };
		if (poll(&p, 1, 100) > 0) {
			int err = handover_receive(fd, &m, &bytes);
			if (!err && m.kind == HAND_DECIDES)
				return 0;
			if (err != ERR_CLOSED)
				return refused_by_older(err, &bytes, why);
			killed = true;
		}
		if (killed && decides_now(cfg, instance))
			return 0;
		if (over && over(arg))
			return why_err(why, ERR_CLOSED,
				"the new instance ended before it was ready: "
				"see its log");
	}
	return why_err(why, ERR_TIMEOUT,
		"the new instance was not ready within %d s: see its "
		"log",
		most_s);
}
