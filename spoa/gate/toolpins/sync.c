/* The thread tg-pins. A pass reads and joins the changes of other daemons, writes the changes
 * made here to disk, and sends them to Redis. Lines are joined and never replaced blindly: if
 * two daemons write the same pin at the same time, the next pass of one of them corrects the
 * result. */
#include "gate/toolpins/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis_service.h"
#include "base/scoped.h"
#include "gate/store/store.h"
#include "gate/toolpins/private.h"

#define POLL_US	 300000u
#define AGAIN_US 1000000u /* pause after Redis did not answer or the disk was full */
#define FULL_US	 600000000u
#define RIGHT_US 600000000u /* refused fields are logged once in this time */
/* A text that alternates is written HURRIED_MAX times, and after that only once in this time.
 */
#define CALM_US 10000000u

enum {
	BATCH = 1024,
	READ = 512,
	FIELDS_MAX = 2 * CAP_TOOL_PINS,
	SLACK = 1024, /* lines that the file may have beyond twice the pins */
	HURRIED_MAX = 4
};
#define LOG_MAX "131072"

/* owner: the thread tg-pins. */
struct tool_pins_sync {
	struct tool_pins *pins;
	struct redis_service service;
	bool shared; /* pins are shared through Redis */
	char *name;  /* the file's name; NULL: no file */
	unsigned char key[SHA256_BYTES];
	/* used by the thread only */
	struct store store; /* the file */
	bool full;	    /* the whole hash must be read */
	uint64_t full_us, refused_us;
	char last[64]; /* id of the last event that was read */
	/* number of fields when the hash was last read; a smaller number means that Redis
	 * lost some */
	uint64_t fields;
	/* the pins that this pass writes */
	struct due {
		struct pin *pin;
		bool file, redis; /* the places where the pin must be written */
		bool fresh;	  /* Redis has not decided yet which text was first */
	} batch[BATCH];
	size_t n;
};

/* ---- the file ---- */

static bool
read_pin_line(void *arg, struct span line, struct buf *why)
{
	struct tool_pins_sync *s = arg;

	return pin_read(s->pins, line, SPAN_LIT(""), s->key, why);
}

static void
put_pin_line(struct tool_pins_sync *s, const struct pin *pin, struct buf *out)
{
	pin_write(s->pins, pin, pin->v.settled || !s->shared, s->key, out);
	buf_putc(out, '\n');
}

static size_t
write_pin_lines(void *arg, struct buf *out)
{
	struct tool_pins_sync *s = arg;
	size_t n = 0;

	for (size_t i = 0; i < PIN_SLOTS; i++) {
		struct pin *pin = atomic_load_explicit(&s->pins->slot[i], memory_order_acquire);
		if (!pin || !atomic_load(&pin->state))
			continue;
		SCOPED_LOCK(&s->pins->lock);
		put_pin_line(s, pin, out);
		n++;
	}
	return n;
}

static const struct store_kind pin_lines = {
	.failed = "pin.failed", .read = read_pin_line, .write = write_pin_lines
};

/* Writes the lines of the batch to disk. */
static bool
keep_pins(struct tool_pins_sync *s)
{
	size_t n = 0;

	if (!s->name)
		return true;
	SCOPED_BUF(lines, 0);
	pthread_mutex_lock(&s->pins->lock);
	for (size_t i = 0; i < s->n; i++) {
		struct due *d = &s->batch[i];
		/* the pin may have changed since, by a line from Redis */
		d->file |= d->pin->file_due;
		d->pin->file_due = false;
		n += d->file;
		if (d->file)
			put_pin_line(s, d->pin, &lines);
	}
	pthread_mutex_unlock(&s->pins->lock);
	return store_keep(&s->store, &lines, n) &&
	       store_trim(&s->store, 2 * tool_pins_count(s->pins) + SLACK);
}

/* ---- Redis ---- */

static void
refuse_pin_field(struct tool_pins_sync *s, struct span field, struct span why)
{
	uint64_t now = clock_mono_us();

	atomic_fetch_add(&s->pins->forged, 1);
	if (s->refused_us && now - s->refused_us < RIGHT_US)
		return;
	s->refused_us = now;
	log_event(
		LOG_WARN, "pin.refused", LSP("field", span_cut(field, 0, 64)), LSP("why", why));
}

static void
take_redis_pin(struct tool_pins_sync *s, const redisReply *field, const redisReply *line)
{
	struct span at = span_of(field->str, field->len);

	SCOPED_BUF(why, 1024);
	if (!at.n || line->type != REDIS_REPLY_STRING ||
		!pin_read(s->pins, span_of(line->str, line->len), at, s->key, &why))
		refuse_pin_field(s, at, buf_view(&why));
}

/* Returns the pair in a list of one pair, or NULL. */
static const redisReply *
only_pair(const redisReply *r)
{
	const redisReply *pair =
		r->type == REDIS_REPLY_ARRAY && r->elements == 1 ? r->element[0] : NULL;

	return pair && pair->type == REDIS_REPLY_ARRAY && pair->elements == 2 ? pair : NULL;
}

/* Reads the id of the stream's last event; later passes read the events after it. */
static bool
read_last(struct tool_pins_sync *s)
{
	const char *argv[] = { "XREVRANGE", TOOL_PINS_LOG_KEY, "+", "-", "COUNT", "1" };
	reply_auto_t *r = redis_service_ask(&s->service, 6, argv, NULL);

	if (!r)
		return false;
	const redisReply *event = only_pair(r);
	snprintf(s->last, sizeof(s->last), "%s",
		event && event->element[0]->str ? event->element[0]->str : "0-0");
	return true;
}

static bool
count_fields(struct tool_pins_sync *s, uint64_t *n)
{
	const char *argv[] = { "HLEN", TOOL_PINS_ENTRIES_KEY };
	reply_auto_t *r = redis_service_ask(&s->service, 2, argv, NULL);

	if (!r)
		return false;
	*n = r->type == REDIS_REPLY_INTEGER ? (uint64_t)r->integer : 0;
	return true;
}

/* Queues all pins for Redis. Pins that Redis has in the same version are removed from the
 * queue when they are read. */
static void
all_are_due(struct tool_pins_sync *s)
{
	struct tool_pins *p = s->pins;

	SCOPED_LOCK(&p->lock);
	for (size_t i = 0; i < PIN_SLOTS; i++) {
		struct pin *pin = p->slot[i];
		if (!pin || !atomic_load(&pin->state))
			continue;
		bool file_due = pin->queued && pin->file_due;
		pin_enqueue(p, pin, false);
		pin->file_due = file_due;
		pin->told_us = 0;
	}
}

static bool
read_all(struct tool_pins_sync *s)
{
	char cursor[REDIS_CURSOR] = "0", count[16];
	const char *argv[] = { "HSCAN", TOOL_PINS_ENTRIES_KEY, cursor, "COUNT", count };
	size_t n = 0;
	unsigned rounds = 0;

	if (!read_last(s) || !count_fields(s, &s->fields))
		return false;
	all_are_due(s);
	snprintf(count, sizeof(count), "%d", READ);
	do {
		reply_auto_t *r = redis_service_ask(&s->service, 5, argv, NULL);
		if (!r)
			return false;
		const redisReply *list = redis_scan_list(r, cursor);
		for (size_t i = 0; list && i + 1 < list->elements; i += 2, n++)
			take_redis_pin(s, list->element[i], list->element[i + 1]);
	} while (strcmp(cursor, "0") != 0 && n < FIELDS_MAX && ++rounds < REDIS_SCAN_ROUNDS);
	s->full = false;
	s->full_us = clock_mono_us();
	return true;
}

/* Reads the current lines of these fields. */
static bool
read_fields(struct tool_pins_sync *s, const char **argv, size_t *lens, size_t n)
{
	reply_auto_t *r = n ? redis_service_ask(&s->service, (int)n + 2, argv, lens) : NULL;

	if (!r)
		return !n;
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements && i < n; i++) {
		redisReply field = { .str = (char *)(uintptr_t)argv[i + 2],
			.len = lens[i + 2] };
		if (r->element[i]->type == REDIS_REPLY_STRING)
			take_redis_pin(s, &field, r->element[i]);
	}
	return true;
}

/* Takes one page of the stream and reads the fields that it names. */
static bool
read_events_part(struct tool_pins_sync *s, const redisReply *events)
{
	const char *argv[READ + 2] = { "HMGET", TOOL_PINS_ENTRIES_KEY };
	size_t lens[READ + 2] = { 5, sizeof(TOOL_PINS_ENTRIES_KEY) - 1 }, n = 0;

	for (size_t i = 0; i < events->elements && n < READ; i++) {
		const redisReply *e = events->element[i];
		if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 || !e->element[0]->str)
			continue;
		snprintf(s->last, sizeof(s->last), "%s", e->element[0]->str);
		const redisReply *members = e->element[1];
		if (members->type != REDIS_REPLY_ARRAY || members->elements != 2 ||
			members->element[1]->len != PIN_FIELD - 1)
			continue;
		bool twice = false;
		for (size_t k = 0; k < n && !twice; k++)
			twice = !memcmp(argv[k + 2], members->element[1]->str, PIN_FIELD - 1);
		if (twice)
			continue;
		argv[n + 2] = members->element[1]->str;
		lens[n + 2] = members->element[1]->len;
		n++;
	}
	return read_fields(s, argv, lens, n);
}

static bool
read_log(struct tool_pins_sync *s)
{
	char count[16];
	const char *argv[] = { "XREAD", "COUNT", count, "STREAMS", TOOL_PINS_LOG_KEY, s->last };

	snprintf(count, sizeof(count), "%d", READ);
	for (;;) {
		reply_auto_t *r = redis_service_ask(&s->service, 6, argv, NULL);
		if (!r)
			return false;
		const redisReply *stream = only_pair(r);
		const redisReply *events = stream ? stream->element[1] : NULL;
		if (!events || events->type != REDIS_REPLY_ARRAY)
			return true;
		if (!read_events_part(s, events))
			return false;
		if (events->elements != READ)
			return true;
	}
}

/* ---- writing to Redis ---- */

static bool
append_pin(struct tool_pins_sync *s, struct pin *pin, bool fresh)
{
	SCOPED_BUF(line, 0);
	pthread_mutex_lock(&s->pins->lock);
	pin_write(s->pins, pin, true, s->key, &line);
	pthread_mutex_unlock(&s->pins->lock);
	struct span v = buf_view(&line);
	const char *set[] = { fresh ? "HSETNX" : "HSET", TOOL_PINS_ENTRIES_KEY, pin->field,
		v.p };
	const size_t lens[] = { strlen(set[0]), strlen(set[1]), strlen(set[2]), v.n };
	const char *add[] = { "XADD", TOOL_PINS_LOG_KEY, "MAXLEN", "~", LOG_MAX, "*", "f",
		pin->field };
	return !buf_failed(&line) && redis_service_append(&s->service, 4, set, lens) &&
	       redis_service_append(&s->service, 8, add, NULL);
}

/* Reads the fields of fresh pins that another daemon wrote first. A field that no daemon
 * wrote is overwritten. `said` has two replies for each pin of the batch that is written to
 * Redis. */
static bool
read_taken(struct tool_pins_sync *s, const redisReply *said)
{
	const char *argv[BATCH + 2] = { "HMGET", TOOL_PINS_ENTRIES_KEY };
	size_t lens[BATCH + 2] = { 5, sizeof(TOOL_PINS_ENTRIES_KEY) - 1 }, k = 0, at = 0;

	pthread_mutex_lock(&s->pins->lock);
	for (size_t i = 0; i < s->n; i++) {
		const struct due *d = &s->batch[i];
		const redisReply *one = d->redis ? said->element[2 * at++] : NULL;
		if (!one || !d->fresh || one->type != REDIS_REPLY_INTEGER)
			continue;
		d->pin->v.settled |= one->integer == 1;
		if (one->integer)
			continue;
		argv[k + 2] = d->pin->field;
		lens[k + 2] = PIN_FIELD - 1;
		k++;
	}
	pthread_mutex_unlock(&s->pins->lock);
	if (!read_fields(s, argv, lens, k))
		return false;
	SCOPED_LOCK(&s->pins->lock);
	for (size_t i = 0; i < s->n; i++) {
		const struct due *d = &s->batch[i];
		if (!d->redis || !d->fresh || d->pin->v.settled)
			continue;
		d->pin->v.settled = true;
		pin_enqueue(s->pins, d->pin, true);
	}
	return true;
}

/* Writes the batch to Redis in one transaction. */
static bool
write_batch(struct tool_pins_sync *s)
{
	const char *multi[] = { "MULTI" }, *exec[] = { "EXEC" };
	size_t n = 0;
	bool ok = true;

	for (size_t i = 0; i < s->n && ok; i++) {
		if (!s->batch[i].redis)
			continue;
		ok = n++ || redis_service_append(&s->service, 1, multi, NULL);
		ok = ok && append_pin(s, s->batch[i].pin, s->batch[i].fresh);
	}
	if (!n)
		return true;
	ok = ok && redis_service_append(&s->service, 1, exec, NULL);
	reply_auto_t *r = ok ? redis_service_replies(&s->service, 2 * n + 2) : NULL;
	ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 * n &&
	     !redis_service_exec_error(r);
	ok = ok && read_taken(s, r);
	if (!ok && s->service.redis)
		redis_service_lost(&s->service, redis_service_why(&s->service, r));
	return ok;
}

/* ---- passes ---- */

/* Moves pins from the queue into the batch. A text that alternates waits. Returns true if no
 * pin is left that a caller waits for. */
static bool
take_batch(struct tool_pins_sync *s)
{
	struct tool_pins *p = s->pins;
	struct pin *all, *next;
	uint64_t now = clock_mono_us();
	bool rest = false;

	s->n = 0;
	SCOPED_LOCK(&p->lock);
	all = p->queue;
	p->queue = NULL;
	p->queue_end = &p->queue;
	for (struct pin *pin = all; pin; pin = next) {
		next = pin->next;
		if (!pin->told_us || now - pin->told_us >= CALM_US)
			pin->hurried = 0;
		if (!(pin->soon || pin->hurried < HURRIED_MAX) || s->n == BATCH) {
			rest |= pin->soon;
			pin->next = NULL;
			*p->queue_end = pin;
			p->queue_end = &pin->next;
			continue;
		}
		pin->queued = pin->soon = false;
		pin->told_us = now;
		if (pin->hurried < HURRIED_MAX)
			pin->hurried++;
		s->batch[s->n++] = (struct due){ .pin = pin,
			.file = pin->file_due,
			.redis = pin->redis_due,
			.fresh = !pin->v.settled };
		pin->file_due = pin->redis_due = false;
	}
	return !rest;
}

/* Queues the pins that the disk or Redis did not take. */
static void
put_back(struct tool_pins_sync *s, bool file, bool redis)
{
	SCOPED_LOCK(&s->pins->lock);
	for (size_t i = 0; i < s->n; i++) {
		struct pin *pin = s->batch[i].pin;
		bool file_due = pin->file_due || (file && s->batch[i].file);
		bool redis_due = pin->redis_due || (redis && s->batch[i].redis);
		if (!file_due && !redis_due)
			continue;
		pin_enqueue(s->pins, pin, false);
		pin->soon = true;
		pin->file_due = file_due;
		pin->redis_due = redis_due;
	}
}

static bool
read_redis(struct tool_pins_sync *s)
{
	uint64_t n;

	s->full |= !s->service.redis;
	if (!redis_service_dial(&s->service, SPAN_LIT(TOOL_PINS_ENTRIES_KEY)) ||
		!count_fields(s, &n))
		return false;
	bool lost = n < s->fields;
	s->fields = n;
	if (s->full || lost || clock_mono_us() - s->full_us >= FULL_US)
		return read_all(s);
	return read_log(s);
}

static enum redis_turn
pins_turn(void *arg, uint64_t puts UNUSED)
{
	struct tool_pins_sync *s = arg;
	bool up = !s->shared || read_redis(s), done = take_batch(s);

	/* Redis comes first, because a line on disk states whether Redis accepted the first
	 * text. */
	if (s->shared && up)
		up = write_batch(s);
	bool kept = keep_pins(s);
	if (!up || !kept)
		put_back(s, !kept, !up);
	if (!kept)
		s->service.next_us = clock_mono_us() + AGAIN_US;
	return !up ? REDIS_TURN_AWAY : kept && done ? REDIS_TURN_DONE : REDIS_TURN_PART;
}

static uint64_t
pins_puts(void *arg)
{
	struct tool_pins *p = ((struct tool_pins_sync *)arg)->pins;

	SCOPED_LOCK(&p->lock);
	return p->puts;
}

static void
pins_back(void *arg)
{
	const struct tool_pins_sync *s = arg;

	if (s->shared)
		log_event(LOG_INFO, "pin.up", LI("pins", tool_pins_count(s->pins)));
}

/* The last changes before the thread ends. */
static void
pins_last(void *arg)
{
	pins_turn(arg, 0);
}

static const struct redis_service_kind pins_service = { .thread = "tg-pins",
	.away = "pin.away",
	.every_us = POLL_US,
	.again_us = AGAIN_US,
	.puts = pins_puts,
	.turn = pins_turn,
	.back = pins_back,
	.last = pins_last };

/* ---- for other threads ---- */

void
tool_pins_sync_first(struct tool_pins_sync *s, uint64_t most_us)
{
	if (s)
		redis_service_await_first(&s->service, most_us);
}

static bool
pins_well(struct tool_pins_sync *s, struct buf *why)
{
	bool kept = atomic_load(&s->store.kept);

	if (!kept)
		buf_printf(why,
			"%s cannot be written: check the disk and the file's permissions",
			s->name);
	return kept && redis_service_up(&s->service, why);
}

bool
tool_pins_sync_wait(struct tool_pins_sync *s, uint64_t most_us, struct buf *why)
{
	bool has = redis_service_wait(&s->service, most_us);

	if (!has)
		pins_well(s, why);
	return has;
}

bool
tool_pins_sync_up(struct tool_pins_sync *s, struct buf *why)
{
	pthread_mutex_lock(&s->service.lock);
	bool tried = s->service.tried;
	pthread_mutex_unlock(&s->service.lock);
	return !tried || pins_well(s, why);
}

/* ---- start and stop ---- */

struct tool_pins_sync *
tool_pins_sync_start(struct tool_pins *p, const struct tool_pins_place *place, struct buf *why)
{
	struct tool_pins_sync *s = calloc(1, sizeof(*s));

	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->pins = p;
	s->shared = place->redis != NULL;
	memcpy(s->key, place->key, sizeof(s->key));
	redis_service_init(&s->service, &pins_service, s, place->redis);
	if (place->file && !(s->name = strdup(place->file)))
		buf_str(why, err_str(ERR_NOMEM));
	store_init(&s->store, &pin_lines, s, s->name);
	if (why->n || (s->name && access(s->name, F_OK) == 0 && !store_open(&s->store, why)))
		;
	else if (place->other && !store_read_other(place->other, &pin_lines, s, why))
		;
	else if (redis_service_start(&s->service, why) == 0)
		return s;
	tool_pins_sync_stop(&s);
	return NULL;
}

void
tool_pins_sync_stop(struct tool_pins_sync **sp)
{
	struct tool_pins_sync *s = *sp;

	if (!s)
		return;
	redis_service_stop(&s->service, 0);
	store_close(&s->store);
	free(s->name);
	explicit_bzero(s, sizeof(*s));
	free(s);
	*sp = NULL;
}
