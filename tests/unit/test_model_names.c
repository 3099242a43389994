/* text/model_names: members of a body that name models without a row of a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scan/dialect/dialect.h"
#include "scan/text/model_names.h"
#include "support/guard.h"

#define PARTS "multipart/form-data; boundary=b"
#define PART(name, content)                                                                    \
	"--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" content "\r\n"
#define END "--b--\r\n"
#define ASKS(model)                                                                            \
	"{\"custom_id\":\"1\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"" model   \
	"\",\"messages\":[]}}"

/* The models to decide about: the request's model, and after + those in members that no row
 * knows. */
static const struct {
	const char *name, *dialect, *path, *type, *body, *want;
} named[] = {
	{ "a tool's model", "openai", "/v1/responses", "",
		"{'model':'m','tools':[{'type':'image_generation','model':'i'}]}", "m +i" },
	{ "an advisor's", "anthropic", "/v1/messages", "",
		"{'model':'m','messages':[],'tools':[{'type':'advisor_20260301','model':'i'}]}",
		"m +i" },
	{ "a tool's in an item", "openai", "/v1/responses", "",
		"{'model':'m','input':[{'type':'additional_tools','tools':[{'model':'i'}]}]}",
		"m +i" },
	{ "a tool's in a batch", "anthropic", "/v1/messages/batches", "",
		"{'requests':[{'params':{'model':'m','messages':[],'tools':[{'model':'i'}]}}]}",
		"m +i" },
	{ "a transcription's", "openai", "/v1/realtime/client_secrets", "",
		"{'session':{'model':'m','audio':{'input':{'transcription':{'model':'t'}}}}}",
		"m +t" },
	{ "a grader's in a grader", "openai", "/v1/fine_tuning/jobs", "",
		"{'model':'m','method':{'reinforcement':{'grader':{'graders':{'a':{'model':'g'}"
		"}}}}"
		"}",
		"m +g" },
	{ "Vertex' routing", "gemini", "/v1beta/models/m:generateContent", "",
		"{'generationConfig':{'routingConfig':{'manualMode':{'modelName':"
		"'publishers/google/models/g'}}}}",
		"m +g" },
	{ "a resource's name", "gemini", "/v1beta/interactions", "",
		"{'model':'models/g','input':'x'}", "g" },
	{ "a resource's name, kept", "gemini", "/v1beta/cachedContents", "",
		"{'model':'publishers/google/models/g'}", "g" },
	{ "a resource's whole name", "gemini", "/v1/projects/p/locations/l/cachedContents", "",
		"{'model':'projects/p/locations/l/publishers/google/models/g'}", "g" },
	{ "a job's resource", "gemini", "/v1/projects/p/locations/l/batchPredictionJobs", "",
		"{'model':'publishers/google/models/g'}", "g" },
	{ "a resource's name, as OpenAI's", "gemini", "/v1beta/openai/chat/completions", "",
		"{'model':'models/g','messages':[]}", "g" },
	{ "a slash is no resource", "gemini", "/v1beta/openai/chat/completions", "",
		"{'model':'google/g','messages':[]}", "google/g" },
	{ "what Ollama makes one of", "ollama", "/api/create", "",
		"{'model':'m','from':'g','system':'from: x'}", "m +g" },
	{ "what Ollama copies", "ollama", "/api/copy", "", "{'source':'g','destination':'h'}",
		" +g +h" },
	{ "what Ollama fetches", "ollama", "/api/pull", "", "{'name':'g'}", " +g" },
	{ "what Ollama shows", "ollama", "/api/show", "", "{'name':'g'}", " +g" },
	{ "a name in Ollama's chat", "ollama", "/api/chat", "",
		"{'model':'m','name':'g','messages':[]}", "m" },
	{ "objects of objects", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'a':{'model':{'primary':'a','speed':'fast','b':{'x'"
		":"
		"'b'}},'models':{'c':{},'fast':{'id':'d'}}}}",
		"m +a +b +c +d" },
	{ "what it is called elsewhere", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'a':{'model_alias':'a','model_version':'b',"
		"'model_group':'c','models_list':['d'],'engine_id':'e','inference_profile':'f',"
		"'deployment':'g'}}",
		"m +a +b +c +d +e +f +g" },
	{ "LiteLLM's", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'deployment_id':'a','fallbacks':[{'m':['b']},'c'],"
		"'context_window_fallback_dict':{'m':'d'},'content_policy_fallbacks':['e'],"
		"'model_list':[{'litellm_params':{'model':'f'}}],'user_config':{'deployments':["
		"'g']},'router_settings_override':{'model_group_alias':{'m':'h'}}}",
		"m +a +b +c +d +e +f +g +h" },
	{ "an engine and a preset", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'engine':'a','preset':'b','plugins':[{'id':'web',"
		"'engine':'exa'}],'search_engine':'x'}",
		"m +a +b" },
	{ "OpenRouter's", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'models':['a'],'route':'fallback','provider':{"
		"'order':['azure'],'only':['x']},'plugins':[{'id':'auto-router','allowed_"
		"models':["
		"'b']}]}",
		"m +b" },
	{ "adapters of vLLM and SGLang", "openai", "/v1/completions", "",
		"{'model':'m','prompt':'x','lora_path':['a',null],'lora_request':{'lora_name':'"
		"b',"
		"'lora_int_id':1,'lora_path':'c'},'lora':[{'id':0,'scale':1}],'draft_model':'d'"
		"}",
		"m +a +b +c +d" },
	{ "an adapter in a query of responses", "openai", "/v1/responses", "",
		"{'model':'m','input':'x','engine':'a','adapters':['b'],'lora':{'path':'c'}}",
		"m +a +b +c" },
	{ "adapters of TGI and LoRAX", "tgi", "/generate", "",
		"{'inputs':'x','parameters':{'adapter_id':'a','adapter_source':'hub',"
		"'merged_adapters':{'ids':['b','c'],'weights':[0.5,0.5],'merge_strategy':'"
		"linear'}}}",
		"a +b +c" },
	{ "Gemini's agent", "gemini", "/v1beta/interactions", "",
		"{'agent':'deep-research','input':'x'}", " +deep-research" },
	{ "Mistral's agent", "mistral", "/v1/agents/completions", "",
		"{'agent_id':'ag_1','messages':[]}", " +ag_1" },
	{ "Mistral's agent in a conversation", "mistral", "/v1/conversations", "",
		"{'agent_id':'ag_1','inputs':'x'}", " +ag_1" },
	{ "Mistral's agent in a job", "mistral", "/v1/batch/jobs", "",
		"{'agent_id':'ag_1','input_files':['f'],'endpoint':'/v1/chat/completions'}",
		"ag_1 +ag_1" },
	{ "an engine in the path", "openai", "/v1/engines/m/completions", "", "{'prompt':'x'}",
		"m" },
	{ "a form with semicolons", "openai", "/v1/images/edits",
		"application/x-www-form-urlencoded", "x=1;model=a&y=a%3Bmodel=b", "a +a" },
	{ "a form's model with one", "openai", "/v1/images/edits",
		"application/x-www-form-urlencoded", "model=a;x=1", "a;x=1 +a" },
	{ "what is tuned", "gemini", "/v1/projects/p/locations/l/tuningJobs", "",
		"{'baseModel':'g','preTunedModel':{'tunedModelName':'tunedModels/t'}}",
		"g +g +tunedModels/t" },
	{ "a job's own", "bedrock", "/async-invoke", "", "{'modelId':'m','modelInput':{}}",
		"m" },
	{ "of a path that no row knows", "bedrock", "/retrieveAndGenerate", "",
		"{'a':{'modelArn':'m'}}", " +m" },
	{ "however it is written", "openai", "/v1/chat/completions", "",
		"{'model':'m','x':{'MODEL-id':'a','Base_Model':'b','fall_backs':['c']}}",
		"m +a +b +c" },
	{ "in lists and objects", "openai", "/v1/chat/completions", "",
		"{'model':'m','x':{'models':{'fast':'a','all':['b',{'id':'c','note':'n'}]}}}",
		"m +a +b +c" },
	{ "what is no text", "openai", "/v1/chat/completions", "",
		"{'model':'m','x':{'model':7,'models':[true],'model_type':'t','remodeled':'r'}"
		"}",
		"m" },
	{ "a schema, arguments, metadata", "openai", "/v1/chat/completions", "",
		"{'model':'m','metadata':{'model':'a'},'response_format':{'json_schema':{"
		"'schema':{'default':{'model':'b'}}}},'tools':[{'type':'function','function':{"
		"'parameters':{'properties':{'model':{'default':'c','type':'string'}}}}}],"
		"'messages':[{'role':'assistant','tool_calls':[{'function':{'name':'f',"
		"'arguments':{'model':'d'}}}]},{'role':'user','content':'model: e'}]}",
		"m" },
	{ "results", "openai", "/v1/responses", "",
		"{'model':'m','input':[{'type':'file_search_call','results':[{'model':'a'}]},"
		"{'type':'computer_call','action':{'model':'b'}}]}",
		"m" },
	{ "a schema of Anthropic's and a result", "anthropic", "/v1/messages", "",
		"{'model':'m','tools':[{'input_schema':{'$defs':{'model':'a'}}}],'messages':[{'"
		"role':'"
		"user',"
		"'content':[{'type':'tool_result','content':[{'type':'text','model':'b'}]}]}]}",
		"m" },
	{ "what looks like a schema", "openai", "/v1/responses", "",
		"{'model':'m','tools':[{'type':'x:y','parameters':{'model':'a'}},{'format':{"
		"'model':'b'}},{'input_schema':{'x':{'model':'c'}}},{'function':{'models':["
		"'d']}}]}",
		"m +a +b +c +d" },
	{ "what looks like Anthropic's schema", "anthropic", "/v1/messages", "",
		"{'model':'m','messages':[],'tools':[{'type':'x','name':'x','input_schema':{"
		"'model':'a'}}]}",
		"m +a" },
	{ "what looks like others'", "gemini", "/v1beta/models/m:generateContent", "",
		"{'tools':[{'functionDeclarations':[{'model':'a','parameters':{'model':'b'}}]}"
		"],'generationConfig':{'responseSchema':{'model':'c'}}}",
		"m +a +b +c" },
	{ "examples of Anthropic's", "anthropic", "/v1/messages", "",
		"{'model':'m','messages':[],'tools':[{'input_examples':[{'model':'Golf'}]}],"
		"'output_format':{'type':'json_schema','schema':{'default':{'model':'Golf'}}},"
		"'output_config':{'format':{'schema':{'items':{'examples':[{'model':'Golf'}]}}"
		"}}}",
		"m" },
	{ "schemas of vLLM's and a template's", "openai", "/v1/chat/completions", "",
		"{'model':'m','messages':[],'guided_json':{'default':{'model':'Golf'}},"
		"'extra_body':{'guided_json':{'properties':{'x':{'examples':[{'model':'Golf'}]"
		"}}}},'chat_template_kwargs':{'model':'Golf'}}",
		"m" },
	{ "an MCP server's tools", "openai", "/v1/responses", "",
		"{'model':'m','input':[{'type':'mcp_list_tools','tools':[{'annotations':{"
		"'model':'Golf'},'input_schema':{'properties':{}}}]}]}",
		"m" },
	{ "a conversation's format", "mistral", "/v1/conversations", "",
		"{'model':'m','inputs':'x','completion_args':{'response_format':{'json_schema':"
		"{'schema':{'properties':{'car':{'default':{'model':'Golf'}}}}}}}}",
		"m" },
	{ "rest has none", "rest", "/v1/chat/completions", "",
		"{'model':'m','x':{'model':'a'}}", "" },
	{ "a form", "openai", "/v1/images/edits", "application/x-www-form-urlencoded",
		"model=m%2Dx&prompt=p&judge%5Bmodel%5D=a&x=%7B%22model%22%3A%22b%22%7D",
		"m-x +a +b" },
	{ "a form, twice", "openai", "/v1/images/edits", "application/x-www-form-urlencoded",
		"model=a&model=b", "400 duplicate_key" },
	{ "a field with the name of a file", "openai", "/v1/images/edits", PARTS,
		PART("\"model\"; filename=\"\"", "m") PART("\"model[]\"", "a") END, "m +a" },
	{ "a field as JSON", "openai", "/v1/images/edits", PARTS,
		PART("\"model\"", "\"m\"") END, "400 invalid_type" },
	{ "a field that no row knows, of JSON", "openai", "/v1/images/edits", PARTS,
		PART("\"models\"", "[\"a\",\"b\"]") END, "a +a +b" },
	{ "whole lines in a piece", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"; filename=\"blob\"", ASKS("m") "\n" ASKS("n") "\n") END, "m" },
	{ "a line that is cut", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"; filename=\"blob\"", ASKS("m") "\n{\"custom_id\":\"2") END,
		"400 invalid_json" },
	{ "one line that is cut", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"", "{\"custom_id\":\"2") END, "400 invalid_json" },
	{ "a line that is cut within a character", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"", "{\"custom_id\":\"\xe2\x82") END, "400 invalid_json" },
	{ "lines after what some readers skip", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"", "\xef\xbb\xbf" ASKS("m")) END, "400 invalid_json" },
	{ "a piece of text", "openai", "/v1/uploads/u/parts", PARTS,
		PART("\"data\"", "notes\n{ in braces }\nend") END, "" },
	{ "a batch whose file has no name", "openai", "/v1/files", PARTS,
		PART("\"purpose\"", "batch") PART("\"file\"", ASKS("m") "\n" ASKS("n")) END,
		"m" },
};

static void
models_are_found_in_members_at_any_depth(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(named); i++) {
		struct span path = span_str(named[i].path);
		struct endpoint e = dialect_endpoint(
			dialect_find(span_str(named[i].dialect)), SPAN_LIT("POST"), path);
		struct body_refusal why;
		struct body b;
		struct arena a;
		struct buf out;
		size_t n = strlen(named[i].body);
		char *p = guard_dup(named[i].body, n);
		for (size_t k = 0; k < n && strcmp(named[i].type, PARTS) != 0; k++)
			p[k] = p[k] == '\'' ? '"' : p[k];
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		if (body_read(e.table, span_str(named[i].type), span_of(p, n), &a, &b, &why) ||
			endpoint_settle(&e, path, &a, &b, &why))
			buf_printf(&out, "%d %s", why.status, why.code);
		else
			buf_put(&out, b.model.p, b.model.n);
		for (size_t k = 0; !why.status && k < b.nothers; k++)
			buf_printf(&out, " +%.*s", SPAN_ARG(b.others[k]));
		if (!span_is(buf_view(&out), named[i].want)) {
			fprintf(stderr, "%s: got %.*s\n", named[i].name,
				SPAN_ARG(buf_view(&out)));
			bad++;
		}
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, n);
	}
	assert_int_equal(bad, 0);
}

/* The names of form fields and query parameters: each ends next to a page that faults. */
static void
paths_of_keys_name_a_model_by_their_parts(void **state)
{
	static const struct {
		const char *path;
		bool is;
	} paths[] = { { "model", true }, { "judge[model]", true }, { "a.model", true },
		{ "model[0]", true }, { "a[b].c", false }, { "models", true }, { "a", false },
		{ "", false }, { "remodeled", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		size_t n = strlen(paths[i].path);
		char *p = guard_dup(paths[i].path, n);
		if (model_key_path(span_of(p, n)) != paths[i].is)
			fail_msg("%s", paths[i].path);
		guard_free(p, n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_keys_name_a_model_by_their_parts),
		cmocka_unit_test(models_are_found_in_members_at_any_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
