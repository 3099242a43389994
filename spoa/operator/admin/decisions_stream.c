/* GET /decisions/live: a viewer's events on a connection of libmicrohttpd, which is suspended
 * while there are none. That somebody begins to look, and that he ends, are records of type
 * "read", as of `audit list --follow`. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/codec/json_text.h"
#include "base/scoped.h"
#include "base/tag.h"
#include "operator/admin/admin.h"
#include "operator/admin/change.h"
#include "operator/admin/decisions.h"
#include "operator/admin/endpoint.h"
#include "record/audit/audit.h"

enum { BLOCK_BYTES = 16 << 10, LATER_S = 5 };

struct stream {
	struct tag tag;
	struct asking *q;
	struct viewer *viewer;
	int fd;
};

/* ---- the ring's calls ---- */

static void
sleeps(void *arg)
{
	MHD_suspend_connection(TAGGED(stream, arg)->q->connection);
}

static void
wakes(void *arg)
{
	MHD_resume_connection(TAGGED(stream, arg)->q->connection);
}

static void
cuts(void *arg)
{
	shutdown(TAGGED(stream, arg)->fd, SHUT_RDWR);
}

/* A connection that is suspended is looked at by nobody else. */
static bool
stays(void *arg)
{
	const struct stream *s = TAGGED(stream, arg);
	struct pollfd p = { .fd = s->fd, .events = POLLRDHUP };

	return asking_still(s->q) &&
	       (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static const struct viewer_calls viewer_calls = { sleeps, wakes, cuts, stays };

/* ---- records ---- */

/* Returns the status; not 200: *out says why it is not recorded. */
static unsigned
record_viewing(struct stream *s, const char *follow, uint64_t records, struct buf *out)
{
	json_auto_t *in = json_pack("{s:s,s:O,s:I,s:s}", "command", "decisions live", "asked",
		s->q->in, "records", (json_int_t)records, "follow", follow);
	return in ? change_call(&admin_read, s->q->server, &s->q->peer, in, out)
		  : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void
stream_over(void *state)
{
	struct stream *s = TAGGED(stream, state);

	SCOPED_BUF(out, 0);
	if (s->viewer)
		record_viewing(s, "end", decisions_close(&s->viewer), &out);
	TAG_CLEAR(stream, s);
	free(s);
}

/* ---- the answer ---- */

static ssize_t
take_stream_text(void *arg, uint64_t at UNUSED, char *out, size_t max)
{
	ssize_t n = decisions_take(TAGGED(stream, arg)->viewer, out, max);

	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static enum MHD_Result
answer_stream(struct stream *s)
{
	struct MHD_Response *r = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, take_stream_text, s, NULL);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "content-type", "text/event-stream");
	MHD_add_response_header(r, "cache-control", "no-store");
	MHD_add_response_header(r, "x-accel-buffering", "no");
	asking_fields(s->q, r);
	MHD_set_connection_option(s->q->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	enum MHD_Result ok = MHD_queue_response(s->q->connection, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return ok;
}

/* Its connection ends: many that ask leave room for others. */
static enum MHD_Result
later(struct asking *q, struct span why)
{
	q->retry_after_s = LATER_S;
	q->closes = true;
	return asking_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE, "%.*s", SPAN_ARG(why));
}

static struct span
event_text(const json_t *in, const char *name)
{
	return json_span(json_object_get(in, name));
}

enum MHD_Result
admin_decisions_live(struct asking *q)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	/* What a browser had last when it comes back: its URL is that of the first time. */
	const char *last =
		MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Last-Event-ID");
	struct decisions *d = admin_decisions(q->admin);
	struct viewer_asked asked = { .decision = event_text(q->in, "decision"),
		.person = event_text(q->in, "person"),
		.route = event_text(q->in, "route"),
		.model = event_text(q->in, "model"),
		.after = last && *last ? span_str(last) : event_text(q->in, "after"),
		.who = q->peer.who,
		.last = (uint64_t)json_integer_value(json_object_get(q->in, "last")) };
	if (last && *last)
		json_object_set_new(q->in, "after", json_string(last)); /* as it is recorded */
	struct stream *s = d && info ? calloc(1, sizeof(*s)) : NULL;
	enum MHD_Result ok;
	int status;

	if (!d)
		return asking_refuse(
			q, MHD_HTTP_CONFLICT, "there are no records: audit.journal");
	if (!s)
		return MHD_NO;
	TAG(stream, s);
	s->q = q;
	s->fd = info->connect_fd;
	SCOPED_BUF(why, 4096);
	struct viewer *v = decisions_open(d, &asked, &viewer_calls, s, &status, &why);
	if (!v) {
		ok = status == MHD_HTTP_SERVICE_UNAVAILABLE
			     ? later(q, buf_view(&why))
			     : asking_refuse(
				       q, (unsigned)status, "%.*s", SPAN_ARG(buf_view(&why)));
		free(s);
	} else if (record_viewing(s, "begin", 0, &why) != MHD_HTTP_OK) {
		decisions_close(&v);
		ok = later(
			q, SPAN_LIT("who reads records is recorded, and the journal does not "
				    "take it now"));
		free(s);
	} else {
		s->viewer = v;
		q->state = s;
		q->drop = stream_over;
		ok = answer_stream(s);
	}
	return ok;
}
