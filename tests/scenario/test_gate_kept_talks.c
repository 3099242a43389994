/* Random conversations over every form in which a provider or a server stores what it was sent.
 * The provider plays the model: its response repeats placeholders of this conversation, each
 * time in another order. The caller must get back the value that it wrote there, or the
 * placeholder, and never another value. The seeds are fixed. */
#include "scenario/kept_stage.h"

enum { TALKS = 250, THINGS = 400, NAMES = 40, WORDS = 64, AT_ONCE = 2, VALUE_MAX = 96 };

/* A thing that the model sees at one place: its token, and the value that the caller wrote
 * there. */
struct thing {
	char token[VALUE_MAX], value[VALUE_MAX];
	bool sure; /* the gate must still know this value */
};
struct model_sees {
	struct thing v[THINGS];
	size_t n;
};

static const enum form_of_talk {
	TALK_TURNS,	   /* previous_response_id, with forks and tool loops */
	TALK_CONVERSATION, /* a conversation used by two callers at once */
	TALK_THREAD,	   /* a thread of Anthropic */
	TALK_ASSISTANT,	   /* messages of an assistant's thread */
	TALK_ITEMS,	   /* the caller's turns are sent again, the model's by reference */
	TALK_HISTORY,	   /* chat completions: the whole history is sent again */
	TALK_FILES,	   /* files, and turns that contain them */
	TALK_BACKGROUND,   /* responses that are fetched later */
	TALK_INTERACTIONS, /* Gemini's interactions */
	TALK_SERVER,	   /* an MCP server that stores all that it was sent */
	TALK_FORMS
} last_form = TALK_FORMS;

struct talk {
	struct stage s;
	unsigned seed;
	enum form_of_talk form;
	unsigned persons;
	bool lost; /* the daemon restarted and lost what it knew */
	size_t serial;
	/* things that the model sees: of the current name, or, if names do not change, by
	 * name */
	struct model_sees *seen;
	struct model_sees by_name[NAMES];
	char name[NAMES][32];
	size_t nnames;
	char history[TEXT_MAX]; /* TALK_HISTORY, TALK_ITEMS: the texts that are sent again */
	bool file;		/* this turn contains it */
	size_t restored, left;
};

static unsigned
draw(struct talk *t, unsigned of)
{
	return (unsigned)rand_r(&t->seed) % of;
}

/* Draws a value of one of the persons, in one of its spellings. */
static void
draw_value(struct talk *t, char out[VALUE_MAX])
{
	static const char *const who[] = { "jane", "bob", "carl", "dora", "emil", "fay" };
	unsigned p = draw(t, t->persons);

	switch (draw(t, 6)) {
	case 0: snprintf(out, VALUE_MAX, "%s@example.com", who[p]); break;
	case 1: snprintf(out, VALUE_MAX, "%c%s@Example.com", who[p][0] - 32, who[p] + 1); break;
	case 2: snprintf(out, VALUE_MAX, "(415) 426-85%02u", 60 + p); break;
	case 3: snprintf(out, VALUE_MAX, "415-426-85%02u", 60 + p); break;
	case 4: snprintf(out, VALUE_MAX, "856-45-67%02u", 80 + p); break;
	default: snprintf(out, VALUE_MAX, "%s.%s@example.org", who[p], who[(p + 1) % 6]); break;
	}
}

/* Returns the next "call …;" in a text. */
static const char *
next_word(const char *at, char out[VALUE_MAX])
{
	const char *from = at ? strstr(at, "call ") : NULL;
	const char *to = from ? strchr(from, ';') : NULL;

	if (!to)
		return NULL;
	assert_true(to - from < VALUE_MAX);
	snprintf(out, VALUE_MAX, "%.*s", (int)(to - from - 5), from + 5);
	return to;
}

/* Draws a sentence with one to three values. */
static void
draw_text(struct talk *t, char *out, size_t room)
{
	char value[VALUE_MAX];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0, k = draw(t, 4); i < k; i++) {
		draw_value(t, value);
		n += (size_t)snprintf(out + n, room - n, "call %s; ", value);
	}
	snprintf(out + n, room - n, "thanks");
}

/* Two values never have the same placeholder in what one model sees. As long as nothing is
 * lost, a value has one placeholder. */
static void
check_means_one(struct talk *t, const struct model_sees *s, const char *what)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < i; k++) {
			bool token = !strcmp(s->v[i].token, s->v[k].token),
			     value = !strcmp(s->v[i].value, s->v[k].value);
			if (token && !value)
				fail_msg("%s: %s is %s and %s", what, s->v[i].token,
					s->v[i].value, s->v[k].value);
			if (value && !token && s->v[i].sure && s->v[k].sure &&
				t->form != TALK_FILES)
				fail_msg("%s: %s is %s and %s", what, s->v[i].value,
					s->v[i].token, s->v[k].token);
		}
}

/* Adds what the caller wrote, and what was sent in its place, to what the model sees. */
static void
see(struct talk *t, struct model_sees *s, const char *body, const char *sent, const char *what)
{
	struct thing g = { .sure = true };

	while ((body = next_word(body, g.value))) {
		sent = next_word(sent, g.token);
		if (!sent)
			fail_msg("%s: a value is gone", what);
		assert_true(s->n < THINGS);
		if (!strcmp(g.token, g.value))
			fail_msg("%s: %s was not replaced", what, g.value);
		s->v[s->n++] = g;
	}
	check_means_one(t, s, what);
}

/* The model repeats things that it has seen. Their places in s are returned in the last
 * parameter. */
static size_t
draw_answer(
	struct talk *t, const struct model_sees *s, char *out, size_t room, size_t said[WORDS])
{
	size_t n = 0, k = 0;

	out[0] = '\0';
	for (unsigned i = 0, most = s->n ? draw(t, 5) : 0; i < most; i++) {
		said[k] = draw(t, (unsigned)s->n);
		n += (size_t)snprintf(out + n, room - n, "call %s; ", s->v[said[k++]].token);
	}
	snprintf(out + n, room - n, "done");
	return k;
}

/* Each word is what the caller wrote, or is unchanged. `upto`: how many things the gate knew
 * when the request was sent. */
static void
check_got(struct talk *t, const struct model_sees *s, const char *got, const size_t *said,
	size_t n, size_t upto, const char *what)
{
	char word[VALUE_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct thing *g = &s->v[said[i]];
		got = next_word(got, word);
		if (!got)
			fail_msg("%s: %s is missing", what, g->token);
		if (!strcmp(word, g->value)) {
			t->restored++;
		} else if (strcmp(word, g->token) != 0) {
			fail_msg("%s: %s is %s, and came back as %s", what, g->token, g->value,
				word);
		} else {
			t->left++;
			if (g->sure && said[i] < upto)
				fail_msg("%s: %s stays", what, g->token);
		}
	}
}

/* ---- forms ---- */

static size_t
text_in(char *out, size_t room, const char *format, const char *a, const char *b)
{
	size_t n = 0;

	for (const char *p = format; *p; p++) {
		const char *with = *p == '@' ? a : *p == '#' ? b : NULL;
		int k = with ? snprintf(out + n, room - n, "%s", with)
			     : snprintf(out + n, room - n, "%c", *p);
		n += (size_t)k;
		assert_true(n < room);
	}
	out[n] = '\0';
	return n;
}

/* A stream of "response.output_text.delta" events and the like, with the text in pieces. */
static void
streamed_answer(struct talk *t, const char *id, const char *text, char *out)
{
	size_t n = text_in(out, TEXT_MAX,
		"event: response.created\ndata: "
		"{\"type\":\"response.created\",\"response\":{\"id\":"
		"\"@\",\"output\":[]}}\n\n",
		id, "");

	for (const char *p = text; *p;) {
		char piece[16];
		size_t k = 1 + draw(t, 12);
		snprintf(piece, sizeof(piece), "%.*s", (int)k, p);
		p += strlen(piece);
		n += text_in(out + n, TEXT_MAX - n,
			"event: response.output_text.delta\ndata: "
			"{\"type\":\"response.output_text."
			"delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"@\"}\n\n",
			piece, "");
	}
	text_in(out + n, TEXT_MAX - n,
		"event: response.completed\ndata: "
		"{\"type\":\"response.completed\",\"response\":{"
		"\"id\":\"@\",\"output\":[{\"type\":\"message\",\"id\":\"msg_@\",\"role\":"
		"\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"#\"}]}]}}\n\n",
		id, text);
}

/* Joins the text pieces of a stream; copies any other response whole. */
static void
joined(const char *got, char *out)
{
	static const char key[] = "\"delta\":\"";
	size_t n = 0;

	if (!strstr(got, key)) {
		snprintf(out, TEXT_MAX, "%s", got);
		return;
	}
	out[0] = '\0';
	while ((got = strstr(got, key))) {
		got += strlen(key);
		size_t k = strcspn(got, "\"");
		n += (size_t)snprintf(out + n, TEXT_MAX - n, "%.*s", (int)k, got);
	}
}

static void
response_of(struct talk *t, const char *id, const char *text, char *out)
{
	static const char *const forms[] = {
		[TALK_THREAD] = "{\"id\":\"@\",\"type\":\"message\",\"role\":\"assistant\","
				"\"content\":[{\"type\":\"text\",\"text\":\"#\"}]}",
		[TALK_ASSISTANT] = "{\"id\":\"@\",\"thread_id\":\"thread_1\",\"content\":[{"
				   "\"type\":\"text\",\"text\":{\"value\":\"#\"}}]}",
		[TALK_HISTORY] =
			"{\"id\":\"@\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
			"\"assistant\",\"content\":\"#\"},\"finish_reason\":\"stop\"}]}",
		[TALK_INTERACTIONS] = "{\"id\":\"@\",\"status\":\"completed\",\"outputs\":[{"
				      "\"type\":\"text\",\"text\":\"#\"}]}",
		[TALK_SERVER] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{"
				"\"type\":\"text\",\"text\":\"#\"}]}}",
		[TALK_FORMS] = NULL
	};
	static const char call[] =
		"{\"id\":\"@\",\"object\":\"response\",\"output\":[{\"type\":\"function_call\","
		"\"id\":\"fc_@\",\"call_id\":\"c\",\"name\":\"mail\",\"arguments\":\"{"
		"\\\"to\\\":"
		"\\\"#\\\"}\"}]}";
	static const char plain[] = "{\"id\":\"@\",\"object\":\"response\",\"output\":[{"
				    "\"type\":\"message\",\"id\":"
				    "\"msg_@\",\"role\":\"assistant\",\"content\":[{\"type\":"
				    "\"output_text\",\"text\":"
				    "\"#\"}]}]}";

	if (forms[t->form])
		text_in(out, TEXT_MAX, forms[t->form], id, text);
	else if (t->form != TALK_BACKGROUND && t->form != TALK_ITEMS && draw(t, 3) == 0)
		streamed_answer(t, id, text, out);
	else
		text_in(out, TEXT_MAX, t->form != TALK_ITEMS && draw(t, 3) == 0 ? call : plain,
			id, text);
}

/* Writes the request that continues `from` ("" for a first one). */
static void
request_of(struct talk *t, const char *from, const char *text, char *path, char *body)
{
	const char *format;

	strcpy(path, "/v1/responses");
	switch (t->form) {
	case TALK_CONVERSATION:
		format = "{\"model\":\"m\",\"conversation\":{\"id\":\"conv_1\"},\"input\":\"#"
			 "\"}";
		break;
	case TALK_THREAD:
		strcpy(path, "/v1/messages");
		format = from[0] ? "{\"model\":\"m\",\"max_tokens\":9,\"thread\":{\"type\":"
				   "\"continue\",\"previous_message_id\":\"@\"},\"messages\":[{"
				   "\"role\":\"user\",\"content\":\"#\"}]}"
				 : "{\"model\":\"m\",\"max_tokens\":9,\"thread\":{\"type\":"
				   "\"create\"},\"messages\":[{\"role\":\"user\",\"content\":"
				   "\"#\"}]}";
		break;
	case TALK_ASSISTANT:
		strcpy(path, "/v1/threads/thread_1/messages");
		format = "{\"role\":\"user\",\"content\":\"#\"}";
		break;
	case TALK_HISTORY:
		strcpy(path, CHAT);
		format = "{\"model\":\"m\",\"messages\":[@{\"role\":\"user\",\"content\":\"#\"}"
			 "]}";
		from = t->history;
		break;
	case TALK_ITEMS:
		format = "{\"model\":\"m\",\"input\":[@{\"role\":\"user\",\"content\":\"#\"}]}";
		from = t->history;
		break;
	case TALK_INTERACTIONS:
		strcpy(path, "/v1beta/interactions");
		format = from[0] ? "{\"model\":\"m\",\"previous_interaction_id\":\"@\","
				   "\"input\":"
				   "\"#\"}"
				 : "{\"model\":\"m\",\"input\":\"#\"}";
		break;
	case TALK_SERVER:
		strcpy(path, "/mcp");
		format = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{"
			 "\"name\":\"note\",\"arguments\":{\"text\":\"#\"}}}";
		break;
	default:
		if (t->form == TALK_TURNS && from[0] && draw(t, 2))
			format = "{\"model\":\"m\",\"previous_response_id\":\"@\",\"input\":[{"
				 "\"type\":\"function_call_output\",\"call_id\":\"c\","
				 "\"output\":"
				 "\"#\"}]}";
		else
			format = from[0] ? "{\"model\":\"m\",\"previous_response_id\":\"@\","
					   "\"input\":\"#\"}"
					 : "{\"model\":\"m\",\"input\":\"#\"}";
		if (t->file)
			format = from[0] ? "{\"model\":\"m\",\"previous_response_id\":\"@\","
					   "\"input\":[{\"role\":\"user\",\"content\":[{"
					   "\"type\":"
					   "\"input_file\",\"file_id\":\"file-1\"},{\"type\":"
					   "\"input_text\",\"text\":\"#\"}]}]}"
					 : "{\"model\":\"m\",\"input\":[{\"role\":\"user\","
					   "\"content\":[{\"type\":\"input_file\",\"file_id\":"
					   "\"file-1\"},{\"type\":\"input_text\",\"text\":\"#"
					   "\"}]}"
					   "]}";
		break;
	}
	text_in(body, TEXT_MAX, format, from, text);
}

/* ---- a conversation ---- */

/* Returns true if the form is one object that all turns change. In the other forms, each name
 * stands for what its turn saw. */
static bool
form_changes(enum form_of_talk f)
{
	return f == TALK_CONVERSATION || f == TALK_ASSISTANT || f == TALK_SERVER;
}

struct asked {
	struct flight f;
	struct heard h;
	struct model_sees
		seen; /* things that this turn's model sees; unused if the form changes */
	char id[32], text[TEXT_MAX], path[64], body[TEXT_MAX];
	size_t upto;
	struct turn_row row;
};

static struct model_sees *
seen_by(struct talk *t, struct asked *a)
{
	return form_changes(t->form) ? &t->by_name[0] : &a->seen;
}

static void
what_is(const struct talk *t, size_t turn, unsigned seed, char out[64])
{
	snprintf(out, 64, "seed %u, form %d, turn %zu", seed, (int)t->form, turn);
}

static void
ask(struct talk *t, struct asked *a, const char *what)
{
	size_t from = t->nnames ? draw(t, 2) ? t->nnames - 1 : draw(t, (unsigned)t->nnames) : 0;
	bool goes_on = t->nnames > 0;

	if (t->form == TALK_ITEMS || t->form == TALK_HISTORY)
		from = goes_on ? t->nnames - 1 : 0;
	draw_text(t, a->text, 400);
	t->file = t->form == TALK_FILES && draw(t, 2);
	request_of(t, goes_on ? t->name[from] : "", a->text, a->path, a->body);
	snprintf(a->id, sizeof(a->id), "resp_%zu", ++t->serial);
	a->seen.n = 0;
	if (goes_on && t->form != TALK_HISTORY && t->form != TALK_ITEMS)
		a->seen = t->by_name[from];
	if (goes_on && t->form == TALK_ITEMS) /* the model's output stays with the provider */
		a->seen = t->by_name[from];
	a->row = (struct turn_row){ .person = "alice", .path = a->path, .body = a->body };
	talk_begin(&t->s, draw(t, 2), &a->row, &a->f, &a->h);
	if (t->file)
		for (size_t i = 0; i < t->by_name[NAMES - 1].n; i++)
			a->seen.v[a->seen.n++] = t->by_name[NAMES - 1].v[i];
	see(t, seen_by(t, a), a->body, a->h.sent, what);
	a->upto = seen_by(t, a)->n;
}

static void
answer(struct talk *t, struct asked *a, const char *what)
{
	static char text[TEXT_MAX], said_text[TEXT_MAX], got[TEXT_MAX];
	struct model_sees *s = seen_by(t, a);
	size_t said[WORDS], n = draw_answer(t, s, text, sizeof(text), said);

	if (t->form == TALK_BACKGROUND) {
		static struct asked later;
		char queued[128];
		text_in(queued, sizeof(queued),
			"{\"id\":\"@\",\"object\":\"response\",\"status\":\"queued\","
			"\"output\":[]}",
			a->id, "");
		talk_end(&t->s, &a->f, queued, 0, &t->seed, &a->h);
		snprintf(later.path, sizeof(later.path), "/v1/responses/%s", a->id);
		later.row = (struct turn_row){ .path = later.path };
		talk_begin(&t->s, draw(t, 2), &later.row, &later.f, &later.h);
		response_of(t, a->id, text, said_text);
		talk_end(&t->s, &later.f, said_text, 1 + draw(t, 60), &t->seed, &later.h);
		joined(later.h.got, got);
	} else {
		response_of(t, a->id, text, said_text);
		talk_end(&t->s, &a->f, said_text, draw(t, 3) ? 1 + draw(t, 60) : 0, &t->seed,
			&a->h);
		joined(a->h.got, got);
	}
	check_got(t, s, got, said, n, a->upto, what);
	if (t->nnames >= NAMES - 1)
		return;
	if (!form_changes(t->form))
		t->by_name[t->nnames] = *s;
	snprintf(t->name[t->nnames++], sizeof(t->name[0]), "%s", a->id);
	/* the caller sends again what it wrote and received */
	size_t at = strlen(t->history);
	if (t->form == TALK_HISTORY && at + 2000 < TEXT_MAX / 2) {
		char word[VALUE_MAX], reply[2000] = "";
		for (const char *p = got; (p = next_word(p, word));)
			snprintf(reply + strlen(reply), sizeof(reply) - strlen(reply),
				"call %s; ", word);
		at += text_in(t->history + at, TEXT_MAX - at,
			"{\"role\":\"user\",\"content\":\"@\"},{\"role\":\"assistant\","
			"\"content\":"
			"\"#done\"},",
			a->text, reply);
	} else if (t->form == TALK_ITEMS && at + 2000 < TEXT_MAX / 2) {
		text_in(t->history + at, TEXT_MAX - at,
			"{\"role\":\"user\",\"content\":\"#\"},{\"type\":\"item_reference\","
			"\"id\":"
			"\"msg_@\"},",
			a->id, a->text);
	}
}

/* The daemon restarts and has lost all that it knew. The provider still has the
 * conversation. */
static void
restart_daemon(struct talk *t)
{
	stage_down(&t->s);
	stage_up(&t->s, KEPT_POLICY);
	/* The gateway refuses a thread that it does not know, so the client begins another
	 * one. */
	if (t->form == TALK_THREAD)
		t->nnames = 0;
	for (size_t i = 0; i < NAMES; i++)
		for (size_t k = 0; k < t->by_name[i].n; k++)
			t->by_name[i].v[k].sure = false;
}

static void
upload(struct talk *t, const char *what)
{
	static struct asked a;

	draw_text(t, a.text, 400);
	text_in(a.body, TEXT_MAX, "{\"purpose\":\"user_data\",\"text\":\"#\"}", "", a.text);
	a.row = (struct turn_row){ .path = "/v1/files", .body = a.body };
	talk_begin(&t->s, 0, &a.row, &a.f, &a.h);
	see(t, &t->by_name[NAMES - 1], a.body, a.h.sent, what);
	talk_end(&t->s, &a.f, "{\"id\":\"file-1\",\"object\":\"file\"}", 0, &t->seed, &a.h);
}

static void
one_talk(unsigned seed, enum form_of_talk form, size_t *restored, size_t *left)
{
	static struct talk t;
	static struct asked a[AT_ONCE];
	char what[64];

	memset(&t, 0, sizeof(t));
	t.seed = seed;
	t.form = form;
	t.persons = 1 + draw(&t, 6);
	stage_up(&t.s, KEPT_POLICY);
	what_is(&t, 0, seed, what);
	if (form == TALK_FILES)
		upload(&t, what);
	for (size_t turn = 1, turns = 2 + draw(&t, 11); turn <= turns; turn++) {
		bool two = draw(&t, 3) == 0 && form != TALK_HISTORY && form != TALK_ITEMS;
		what_is(&t, turn, seed, what);
		ask(&t, &a[0], what);
		if (two)
			ask(&t, &a[1], what);
		answer(&t, &a[0], what);
		if (two)
			answer(&t, &a[1], what);
		/* a daemon that does not know the owner of a message thread refuses it */
		if (draw(&t, 12) == 0 && form != TALK_THREAD)
			restart_daemon(&t);
	}
	stage_down(&t.s);
	*restored += t.restored;
	*left += t.left;
}

static void
restored_value_is_never_another_one(void **state)
{
	size_t restored[TALK_FORMS] = { 0 }, left[TALK_FORMS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < TALKS; i++)
		one_talk(1000 + i, (enum form_of_talk)(i % last_form), &restored[i % last_form],
			&left[i % last_form]);
	for (int f = 0; f < TALK_FORMS; f++) {
		print_message("form %d: %zu restored, %zu left\n", f, restored[f], left[f]);
		assert_true(restored[f] > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restored_value_is_never_another_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
