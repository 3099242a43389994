/* What callers, peers and files can make grow: its cap, its unit, and what happens at
 * the cap. Values that a site may want to change are options of tollgate.yaml and
 * only default to these. Tables of one module that have a size from the start
 * (counters of limits without Redis, remembered tokens, tickets' buckets) name it
 * in that module. */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

/* clang-format off */
#define CAP_FRAME_BYTES        (1u << 20)   /* SPOP frame we accept: larger HELLO values are answered with this */
#define CAP_SPOP_CONNS         4096         /* agent connections a worker: further ones are closed at accept */
#define CAP_SPOP_CALLS         1024         /* NOTIFYs in flight a connection: it is not read until one is answered */
#define CAP_SPOP_UNSENT        (1u << 20)   /* ACK bytes HAProxy has not taken: the connection is not read until it does */
#define CAP_SPOP_OUT           (64u << 20)  /* all unsent bytes of a connection: it is closed */
#define CAP_SPOP_HELD          (256u << 20) /* frames in memory a worker: no further frame is begun until one is answered */
#define CAP_SPOP_CACHED        (4u << 20)   /* released frame memory a worker keeps: the rest goes back to the heap */
#define CAP_SPOP_MESSAGES      64           /* messages in a NOTIFY: DISCONNECT 13 */
#define CAP_SPOP_ARGS          1024         /* arguments in a NOTIFY: DISCONNECT 13 */
#define CAP_SPOP_HELLO_BYTES   16384        /* a frame before the handshake: DISCONNECT 3 */
#define CAP_SPOP_ENGINE_BYTES  128          /* engine-id kept: cut */
#define CAP_HEAD_BYTES         (256u << 10) /* HTTP head on the relay: 503 upstream, closed downstream */
#define CAP_HEADERS            256          /* header fields in a head: 400 */
#define CAP_CONNECTION_OPTIONS 64           /* names in Connection fields: 400 */
#define CAP_TARGET_BYTES       (32u << 10)  /* path and query: 400 */
#define CAP_METHOD_BYTES       32           /* a request's method: 400 */
#define CAP_BODY_BYTES         (32u << 20)  /* default of limits.body: 413 */
#define CAP_INFLATE_RATIO      100          /* decoded bytes per encoded byte: 413 */
#define CAP_INFLATE_FREE_BYTES (4u << 20)   /* decoded size up to which any ratio is taken: repetitive text is no bomb */
#define CAP_JSON_DEPTH         128          /* nesting: 400 */
#define CAP_JSON_NODES         1000000      /* values and keys in a body: 413 */
#define CAP_SEGMENTS           1000000      /* pieces of text in a body: 413 */
#define CAP_MEDIA_POINTS       40000000     /* width by height of a picture inside a request: unreadable */
#define CAP_MEDIA_TEXTS        4096         /* texts in a file's metadata: likewise */
#define CAP_MEDIA_TEXT_BYTES   (1u << 20)   /* of them, inflated: likewise */
#define CAP_MEDIA_PARTS        65536        /* tags and boxes that its metadata consist of: likewise */
#define CAP_MODELS             16           /* different models that a body of many requests names: 400; that members of no row name: 413 */
#define CAP_FINDINGS           100000       /* findings a request: the classifier's declared outcome */
#define CAP_MENTION_BYTES      (2u << 20)   /* different bytes of a request's values whose further mentions are looked for: 503; e-mail addresses and values of `spreads: distinct` over a quarter of it are left to their detectors */
#define CAP_MENTIONS           1000000      /* such mentions in a request: 503 */
#define CAP_DECODE_DEPTH       4            /* encodings inside encodings (base64, hex, …): the classifier's declared outcome */
#define CAP_DECODE_RATIO       4            /* bytes decoded in a scan per byte of its text: the classifier's declared outcome */
#define CAP_WORK_RATIO         128          /* units of work (effort.h) a byte of a text that is searched, */
#define CAP_WORK_FIRST         (1u << 10)   /* of its first bytes, */
#define CAP_WORK_FURTHER       80           /* and a further one, */
#define CAP_WORK_STREAM        3000         /* a byte of one that comes in pieces, */
#define CAP_WORK_TEXT          (32u << 10)  /* and those of each text: the classifier's declared outcome, as a denial 413 */
#define CAP_TOKEN_BYTES        8192         /* a JWT: 401 */
#define CAP_CREDENTIAL_BYTES   8192         /* a key or token of ours for a provider: not used */
#define CAP_JWKS_KEYS          1000         /* keys in a key set: the set is refused */
#define CAP_YAML_BYTES         (8u << 20)   /* a configuration file: refused */
#define CAP_YAML_NODES         500000       /* nodes after aliases: refused (YAML bombs) */
#define CAP_YAML_DEPTH         64
#define CAP_PRICES             4096         /* models of a provider in a price list: refused */
#define CAP_PRICE_LISTS        256          /* providers in it: refused */
#define CAP_INCLUDES           64           /* files of a policy: refused */
#define CAP_WATCHED            1024         /* files whose change reloads: further ones are not watched */
#define CAP_INCLUDE_DEPTH      8            /* includes in includes: refused */
#define CAP_ERROR_BYTES        1024         /* the `error` variable */
#define CAP_VAR_BYTES          256          /* any other HAProxy variable */
#define CAP_LOGIN_URL_BYTES    256          /* a URL of a route's login: refused */
#define CAP_SCOPE_BYTES        256          /* scopes that a login asks for, or a rule says are missing: refused */
#define CAP_TOKEN_SCOPES       512          /* scopes of a caller's token: longer ones are not asked for again */
#define CAP_CHALLENGE_BYTES    1536         /* the `challenge` variable: left out */
#define CAP_NOTICES            256          /* notices on their way to be sent by webhook: further ones are dropped and counted */
#define CAP_NOTIFY_BODY        (16u << 10)  /* a webhook's body: not sent, counted as failed */
#define CAP_NOTIFY_ANSWER      (16u << 10)  /* what a webhook answers: a longer one is a refusal */
#define CAP_TREE_LEAVES        65536        /* hashes on their way into the tree's files: further ones are read from the journal */
#define CAP_RECORD_BYTES       (64u << 10)  /* an audit record: lists in it are cut, with their true count */
#define CAP_FILES              32           /* files of a request that tollgate-extract is asked about: the others are unread */
#define CAP_EXTRACT_ANSWER     (26u << 20)  /* tollgate-extract's answer, 4 MB of text as JSON writes it: the file is unread */
#define CAP_INLINE_BODY        (48u << 10)  /* body that a worker looks at itself: a longer one is a helper thread's. The work limit ends a text of this length in under 10 ms */
#define CAP_INLINE_DEAR        (24u << 10)  /* the same, for a minute after a text took CAP_DEAR_WORK: at the work limit, under 10 ms */
#define CAP_DEAR_WORK          3000000      /* units of work (effort.h) that one text took: some 6 ms */
#define CAP_ESTIMATED_BODY     (256u << 10) /* the daemon may reserve tokens by the length of a body up to this: in a longer body it counts them */
#define CAP_INLINE_ANSWER      (64u << 10)  /* whole answer that a worker looks at itself: a longer one is a helper thread's */
#define CAP_INLINE_EVENTS      (4u << 10)   /* of an event, or of events that came at once: likewise */
#define CAP_HELPERS            8            /* threads for long bodies and answers: one beyond waits for one */
#define CAP_INDEX_SEGMENT      (256u << 20) /* a closed segment that the daemon indexes, with half of it in memory: a larger one is the first search's */
#define CAP_REQUEST_ARENA      (160u << 20) /* a request's arena: the step's declared outcome */
#define CAP_TICKETS            16384        /* live decisions a worker: 503 */
#define CAP_SSE_EVENT_BYTES    (1u << 20)   /* an SSE event that must be read whole: passed on unread, counted */
#define CAP_EVENT_TEMPLATE     2048         /* bytes of the event that others are read by: a longer one is parsed */
#define CAP_ANSWER_BYTES       (8u << 20)   /* a whole answer that is inspected or restored: beyond, on_failure.classifier of its route */
#define CAP_ANSWER_WORK        (128u << 20) /* memory for reading one: beyond, it is cut */
#define CAP_ANSWER_CHANNELS    128          /* choices, blocks and calls of a stream at a time: beyond, it is cut */
#define CAP_CALLS              256          /* calls of an answer that rules of phase: tool read: beyond, it ends */
#define CAP_CALL_ARGUMENTS     (4u << 20)   /* arguments of one of them: beyond, it ends */
#define CAP_ARGUMENT_VALUES    100000       /* values in them: beyond, they are a text, and reading a member fails */
#define CAP_CALL_EVENT         (16u << 20)  /* an event of a stream whose calls are held: beyond, it ends */
#define CAP_CALLS_EVENTS       (256u << 10) /* events that wait for a call's end, and go as they came: beyond, its arguments go in events of 16 KB */
#define CAP_CALLS_HELD         (32u << 20)  /* all that waits for the ends of an answer's calls: beyond, it ends */
#define CAP_ANSWER_RUNS        4096         /* the same and unknown members, over or not: the oldest is forgotten, and what was over is unread */
#define CAP_USAGE_BODY_BYTES   (4u << 20)   /* response body kept to read usage: beyond, settled at the reservation */
#define CAP_VAULT_BYTES        (8u << 20)   /* values of a request kept to be put back in its answer: further ones stay placeholders */
#define CAP_NONCES             (1u << 19)  /* of signed headers, within their skew: 401 */
#define CAP_OPERATION_TOOLS    1024         /* tools that `operations` of a policy names: refused at load */
#define CAP_DATA               16           /* sources of a policy's `data`: refused at load */
#define CAP_DATA_BYTES         (1u << 20)   /* a hash or document from outside: the source's on_failure */
#define CAP_DATA_FIELDS        10000        /* fields of a hash: the source's on_failure */
#define CAP_DATA_DEPTH         32           /* nesting of a document: the source's on_failure */
#define CAP_CEL_BYTES          (32u << 10)  /* a condition's text: refused at load */
#define CAP_CEL_NODES          10000        /* its operators, calls and operands: refused at load */
#define CAP_CEL_DEPTH          250          /* its nesting: refused at load */
#define CAP_CEL_SLOTS          256          /* different fields it reads: refused at load */
#define CAP_CEL_VARS           32           /* macros' variables alive at once: refused at load */
#define CAP_CEL_STEPS          200000       /* steps of an evaluation: the rule's on_error */
#define CAP_CEL_EVAL_BYTES     (8u << 20)   /* memory of an evaluation: the rule's on_error */
#define CAP_RELAY_CONNS        8192         /* edge connections a worker: further ones are closed at accept */
#define CAP_RELAY_AHEAD        (64u << 10)  /* request bytes read ahead of the upstream: reading pauses */
#define CAP_RELAY_UNSENT       (256u << 10) /* response bytes the edge has not taken: reading upstream pauses */
#define CAP_SOCKET_MESSAGE     (1u << 20)   /* default of a route's websocket: {message}: close 1009, of a provider's 1011 */
#define CAP_SOCKET_MESSAGE_MAX (16u << 20)  /* what it may say at most: check refuses more */
#define CAP_SOCKET_FRAGMENTS   1024         /* frames of one message: likewise */
#define CAP_SOCKET_CONTROLS    64           /* pings and pongs at once, and in ten seconds again: close 1008 */
#define CAP_SOCKET_DECIDED     250          /* messages of a client that are decided at once, and in ten seconds again: reading it pauses */
#define CAP_SOCKET_TURNS       8            /* answers of one session at the same time: an error event, close 1008 */
#define CAP_SOCKET_JOINED      16           /* messages of a session that wait for a record to name them: the next one has its own */
#define CAP_SOCKET_RESPONSE_ID 128          /* bytes of an answer's id: close 1011 */
#define CAP_PREAMBLE           (1u << 20)   /* bytes of a stream before its first content, where another attempt may follow: beyond, or beyond limits.held, it is the answer */
#define CAP_STREAM_HELD        4096         /* bytes of a stream held back for an open candidate: it becomes a finding, or unread */
#define CAP_CROSSINGS          1024         /* values over the ends of a stream's blocks that are kept: more are unread */
#define CAP_TICKET_BYTES       96           /* a ticket: 503 */
#define CAP_HTTP_CALLS         1024         /* our own HTTP calls in flight a thread: refused at once */
#define CAP_HTTP_HEAD          (64u << 10)  /* head of an answer to them: the call fails */
#define CAP_RULE_WORDS         1000         /* words in a list of a detector rule: refused at load */
#define CAP_RULE_LITERALS      20000        /* literals and words that patterns begin with, of all rules: refused at load */
#define CAP_RULE_ALIKE         512          /* of them, those whose first three letters hash alike: refused at load */
#define CAP_RULE_REGEX         (16u << 10)  /* bytes of a pattern with its definitions: refused at load */
#define CAP_RULE_NODES         50000        /* parts of a pattern, what its references repeat included: PCRE2 alone decides */
#define CAP_RECOGNIZERS        15           /* entries of detectors.external: `check` refuses more */
#define CAP_RECOGNIZED         10000        /* findings of an external recognizer in a text: its failure */
#define CAP_RECOGNIZER_ANSWER  (1u << 20)   /* bytes of its answer: its failure */
#define CAP_RECOGNIZER_CALLS   64           /* its calls for one request: its failure for that request */
#define CAP_RECOGNIZER_TEXTS   256          /* texts in one call: further ones go into the next */
#define CAP_RECOGNIZER_ITEMS   65536        /* texts of one request for a recognizer: its failure for that request */
#define CAP_RECOGNIZER_QUEUE   256          /* calls that wait for its concurrency, a worker: its failure */
#define CAP_RECOGNIZER_CACHE   (32u << 20)  /* bytes of its remembered answers, a worker, all recognizers: the oldest go */
#define CAP_LOG_BYTES          (1u << 20)   /* log lines that stderr has not taken: further ones are dropped and counted */
#define CAP_TELEMETRY_RECORDS  8192         /* records of sampled requests that wait to become spans: further ones are counted as full */
#define CAP_TELEMETRY_BYTES    (8u << 20)   /* their bytes: likewise */
#define CAP_TELEMETRY_BODY     (16u << 20)  /* a batch for the collector: it is not sent, and counted as full */
#define CAP_TELEMETRY_ANSWER   (64u << 10)  /* bytes of the collector's answer: the batch counts as unread */
#define CAP_TELEMETRY_SERIES   256          /* sets of provider, operation, model and error of the GenAI metrics: further ones are `other` */
#define CAP_RECENT             64           /* last decisions a worker keeps for `tollgate top`: the oldest go */
#define CAP_DECISION_VIEWERS   64           /* who looks at GET /decisions/live at a time: a further one gets 503 */
#define CAP_VIEWERS_EACH       8            /* streams of it that one caller has: likewise */
#define CAP_DECISION_EVENTS    16384        /* last records that they may begin after, and events in memory: what is older is told as a gap */
#define CAP_DECISION_BYTES     (8u << 20)   /* of these events, while somebody looks: the oldest go, and who did not read them is closed */
#define CAP_NEAR               256          /* who came near a limit, a worker, for GET /limits/near: who was told of first goes */
#define CAP_SERIES             512          /* sets of route, provider and model that /metrics tells apart: further ones are `other`, counted in labels_over_total */
#define CAP_SERIES_MODELS      128          /* model names among them, of permitted requests: likewise */
#define CAP_LIVE_ENTRIES       16384        /* keys and overrides made at run time, those that ended within a day included: a further one is refused */
#define CAP_LIVE_ENDED         1024         /* and so many revocations of a file's keys more */
#define CAP_LIVE_ERASURES      32768        /* erasures, which are kept for good: a further one is refused */
#define CAP_LIVE_GONE          65536        /* names of purged ones of which an old copy could be in force again: a further one is not purged */
#define CAP_LIVE_ENTRY_BYTES   8192         /* one of them: refused */
#define CAP_TOOL_PINS          65536        /* pins of tools, prompts and instructions: a further one is as changed: hidden and denied */
#define CAP_TOOL_PINS_SERVER   4096         /* of one server: likewise, and so is what it calls unlisted; others keep their room */
#define CAP_TOOL_PIN_SERVERS   256          /* servers that have pins: likewise */
#define CAP_TOOL_PIN_HASHES    8            /* approved texts of a pin: a further one is refused */
#define CAP_TOOL_PIN_ENTRY     (256u << 10) /* bytes of what a server says of one tool: as changed */
#define CAP_TOOL_PIN_TEXT      (16u << 10)  /* bytes of a pin's text: a longer one is hashed, and not kept for `tools show` and `diff` */
#define CAP_TOOL_PIN_LINE      (256u << 10) /* bytes of a pin on disk or in Redis: refused */
#define CAP_TOOL_PIN_TEXTS     (4u << 20)   /* of all texts of a server: likewise */
#define CAP_TOOL_DESCRIPTIONS  (256u << 10) /* names and descriptions of a chat request's tools, for tool.description in its answer: reading it of a further one fails */
#define CAP_TOOL_RESULTS       1024         /* names of tools whose results a request brings: reading prompt.tool_results fails, as the rule's on_error says */
#define CAP_KEPT_VALUES        4096         /* values of a kept conversation that are put back in later turns: further ones stay placeholders there */
#define CAP_KEPT_BYTES         (64u << 20)  /* sealed tables of kept conversations in this process: the oldest used go, and their placeholders stay placeholders */
#define CAP_PINS               65536        /* things whose target is remembered in this process: the oldest of eight goes */
#define CAP_TARGETS            1024         /* targets (provider, model) whose state is known: further ones share one entry, which is never out */
#define CAP_TARGET_LACKS       256          /* models that a target does not have, known at once: a further one is asked for again */
#define CAP_TARGET_QUEUE       64           /* requests that wait for room at a provider, or for a target of it that is out: a further one goes elsewhere, or is refused */
#define CAP_ANCHOR_PLACES      16           /* places that checkpoints are taken to: `check` refuses more */
#define CAP_ANCHOR_ANSWER      (32u << 10)  /* bytes of a place's answer: refused */
#define CAP_AUDITORS           16           /* that texts are sealed to: `check` refuses more */
#define CAP_WITNESS_LOGS       256          /* logs that are witnessed: `check` refuses more */
#define CAP_WITNESS_REQUEST    (72u << 10)  /* bytes of a request for a cosignature: 413 */
#define CAP_WITNESS_CONNS      256          /* connections of the witness: further ones are closed at accept */
#define CAP_ADMIN_USERS        1024         /* rows of admin.users: `check` refuses more */
#define CAP_ADMIN_TOKENS       1024         /* tokens of admin.tokens, revoked ones included: the file is refused */
#define CAP_ADMIN_SESSIONS     256          /* sessions of browsers, 16 a token: the longest unused ends */
#define CAP_ADMIN_SOURCES      1024         /* addresses or uids whose wrong tokens are counted: the oldest is forgotten */
#define CAP_ADMIN_CONNS        256          /* connections of a door of the admin server: near it, one that has asked for nothing makes room */
#define CAP_ADMIN_CONNS_EACH   64           /* of one caller: a further one is a 503, and is closed */
#define CAP_ADMIN_HELD         (16u << 20)  /* bytes of answers under way at a door for one caller: a further one likewise */
#define CAP_ADMIN_CALLERS      2048         /* callers whose records are counted: who wrote none for the longest goes */
#define CAP_ADMIN_COMMANDS     8            /* commands that a sum of readings tells apart: further ones are `other` */
#define CAP_ADMIN_RESERVE      (64u << 20)  /* bytes of the journal's disk, or a twentieth of a small one, that are the decisions': records of the admin server stop at it */
#define CAP_KEYRING            256          /* signing keys of a journal, all that ever were: no further rotation */
#define CAP_KEYRING_ROOTS      8            /* roots that certify them: a further one is not taken */
#define CAP_CHILDREN           3            /* children of the admin server that run at once, two of a caller, and one that verifies: further ones wait */
#define CAP_CHILDREN_QUEUE     32           /* that wait: a further one is a 503 */
#define CAP_CHILDREN_EACH      6            /* of a caller, those that run included: likewise */
#define CAP_CHILD_OUT          (16u << 20)  /* bytes that one says, and of a caller's answers that are under way; four times that of all: it is killed; no further one begins */
#define CAP_CHILD_DATA         (768u << 20) /* bytes of its heap and stacks: it cannot go on */
#define CAP_SHARES             1048576      /* holders that have a share of the keys of their texts: a further one's texts are not sealed (on_failure.audit) */
#define CAP_SHARES_ERASURES    65536        /* erasures that a file of shares notes: the oldest is forgotten, and would be carried out again */
#define CAP_SEALS              4096         /* holders whose seal a worker keeps: the one that was used longest ago begins another */
#define CAP_SEALS_AHEAD        64           /* seals that are made ahead: a worker that finds none makes one */
#define CAP_TEXTS_WAITING      (64u << 20)  /* bytes of texts that wait for the disk: of an answer under way no more is kept, and is marked; one that begins cannot be kept (on_failure.audit) */
#define CAP_SEAL_STEPS         (1u << 20)   /* texts of a seal: a further one begins another */
#define CAP_INTERIM            16           /* 1xx heads before a response: 503 */
/* clang-format on */

#endif
