/* docs/translation-members.md states for each member of each form what becomes of it in each
 * other form. translate_request() itself makes the page from these rows: MEMBERS=write writes
 * it, otherwise it is compared. Each member that the code reads by a table, or that
 * harmless_members.txt has, needs a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/translate/request_private.h"
#include "base/err.h"
#include "base/scoped.h"

#define CHAT_USER   "'messages':[{'role':'user','content':'hi'}]"
#define CHAT_CALL(call, result) \
	"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','tool_calls':[{" call "}]},{'role':'tool'," result "}]}"
#define CHAT_PART(part) "{'messages':[{'role':'user','content':[{" part "}]}]}"
#define ITEM(item) "{'input':[{'role':'user','content':'hi'},{" item "}]}"
#define ITEM_CALL(call, result) "{'input':[{'role':'user','content':'hi'},{" call "},{" result "}]}"
#define INPUT_PART(part) "{'input':[{'role':'user','content':[{" part "}]}]}"
#define BLOCK(part) "{'messages':[{'role':'user','content':[{" part "}]}]}"
#define BLOCKS(call, result) \
	"{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{" call "}]},{'role':'user','content':[{" result "}]}]}"
#define GEMINI "'contents':[{'role':'user','parts':[{'text':'hi'}]}]"
#define PARTS(call, result) \
	"{'contents':[{'role':'user','parts':[{'text':'hi'}]},{'role':'model','parts':[{" call "}]},{'role':'user','parts':[{" result "}]}]}"
#define PART(part) "{'contents':[{'role':'user','parts':[{" part "}]}]}"
#define CONVERSE "'messages':[{'role':'user','content':[{'text':'hi'}]}]"
#define CONVERSE_CALL(call, result) \
	"{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'toolUse':{" call "}}]},{'role':'user','content':[{'toolResult':{" result "}}]}]}"
#define RESULT "'toolUseId':'a','content':[{'text':'1'}]"

/* Settings of clients' own libraries, which any form may have, and of routers. */
#define LIBRARY \
	"drop_params:true additional_drop_params:['zq'] allowed_openai_params:['zq'] num_retries:7 max_retries:7 timeout:77 request_timeout:77 stream_timeout:77 force_timeout:77 " \
	"retry_policy:{'a':1} retry_strategy:'zq' routing_strategy:'zq' cooldown_time:7 context_window_fallback_dict:{'a':'b'} enable_tag_filtering:true fastest_response:true caching:true " \
	"cache:{'no-cache':true} caching_groups:[['a']] ttl:7 no-log:true verbose:true tags:['zq'] litellm_metadata:{'a':'b'} litellm_trace_id:'zq' litellm_session_id:'zq' litellm_call_id:'zq' " \
	"litellm_request_debug:true log_client_error_tracebacks:true custom_llm_provider:'zq' use_litellm_proxy:true base_model:'zq' model_info:{'id':'zq'} input_cost_per_token:0 " \
	"output_cost_per_token:0 max_parallel_requests:7 rpm:7 tpm:7 weight:7 order:7 =merge_reasoning_content_in_choices:false =ensure_alternating_roles:false "
#define ROUTED \
	"=provider.allow_fallbacks:true =provider.require_parameters:false =provider.data_collection:'allow' =provider.zdr:false provider.order:['zq'] session_id:'zq' trace:{'trace_id':'zq'} "

/* Places of members: the body with ~ for one of them, and the beginning of the path. Members
 * are NAME:VALUE; with = before it the path includes the value. A name may be a path: a.b,
 * a[*].b. */
/* clang-format off */
static const struct {
	enum form form;
	const char *at, *body, *members;
} places[] = {
	{ FORM_CHAT, "", "{~," CHAT_USER "}",
		"max_completion_tokens:77 max_tokens:77 temperature:0.25 top_p:0.5 stop:['zq'] =stop:[] seed:77 random_seed:77 frequency_penalty:0.25 =frequency_penalty:0 =frequency_penalty:0.0 "
		"presence_penalty:0.25 =presence_penalty:0 =presence_penalty:0.0 safety_identifier:'zq' user:'zq' n:2 =n:1 verbosity:'low' =verbosity:'medium' reasoning_effort:'low' safe_prompt:true "
		"prompt_mode:'reasoning' stream:true stream_options.include_usage:true stream_options.include_obfuscation:false =response_format.type:'text' =response_format.type:'json_object' "
		"logprobs:true =logprobs:false top_logprobs:3 =top_logprobs:0 logit_bias:{'5':1} =logit_bias:{} modalities:['audio'] =modalities:['text'] audio:{'voice':'zq'} prediction:{'type':'content'} "
		"web_search_options:{} functions:[] function_call:{'name':'zq'} metadata:{'a':'b'} service_tier:'auto' prompt_cache_key:'zq' prompt_cache_retention:'24h' prompt_cache_options:{} store:true "
		"top_k:7 =top_k:0 =top_k:-1 min_p:0.25 =min_p:0 =min_p:0.0 =top_a:0 =top_a:0.0 repetition_penalty:1.25 =repetition_penalty:1 =repetition_penalty:1.0 =length_penalty:1 =length_penalty:1.0 "
		"=best_of:1 =min_tokens:0 =ignore_eos:false =echo:false =use_beam_search:false =include_stop_str_in_output:false =skip_special_tokens:true =spaces_between_special_tokens:true "
		"=add_generation_prompt:true =continue_final_message:false =safe_prompt:false =thinking.type:'disabled' " LIBRARY "fallbacks:['zq'] =function_call:'none' =function_call:'auto' =include_reasoning:false usage.include:true =reasoning.enabled:false =reasoning.effort:'none' reasoning.exclude:true reasoning.summary:'auto' =enable_thinking:false "
		"=think:false =chat_template_kwargs.enable_thinking:false =chat_template_kwargs.thinking:false =reasoning_split:false =tool_stream:false =do_sample:true =enable_search:false "
		"=disable_search:false =return_images:false =return_related_questions:false =search_parameters.mode:'off' =deferred:false =citation_options:'enabled' =result_format:'message' "
		"=incremental_output:false =vl_high_resolution_images:false =typical_p:1 =typical_p:1.0 =tfs_z:1 =tfs_z:1.0 =mirostat:0 =dry_multiplier:0 =dry_multiplier:0.0 =xtc_probability:0 "
		"=xtc_probability:0.0 =early_stopping:false =n_probs:0 cache_prompt:true =add_special_tokens:false =include_reasoning:true =priority:0 =return_token_ids:false cache_control:{'type':'ephemeral'} "
		"reasoning_format:'parsed' =disable_reasoning:false =separate_reasoning:true =stream_reasoning:true =enable_code_interpreter:false =no_stop_trim:false =return_hidden_states:false "
		"=return_tokens_as_token_ids:false =return_prompt_text:false =prompt_logprobs:false =top_prompt_logprobs:0 =raw_output:false =perf_metrics_in_response:false "
		"=context_length_exceeded_behavior:'error' =disable_tool_validation:false " ROUTED "=debug.echo_upstream_body:false cache_salt:'zq' request_id:'zq' rid:'zq' user_id:'zq'" },
	{ FORM_CHAT, "response_format.json_schema.", "{'response_format':{'type':'json_schema','json_schema':{~,'schema':{'type':'object'}}}," CHAT_USER "}", "name:'zq' description:'zq' strict:true" },
	{ FORM_CHAT, "response_format.json_schema.", "{'response_format':{'type':'json_schema','json_schema':{~,'name':'n'}}," CHAT_USER "}", "schema:{'type':'object','title':'zq'}" },
	{ FORM_CHAT, "", "{~,'tools':[{'type':'function','function':{'name':'zq'}}]," CHAT_USER "}",
		"=tool_choice:'auto' =tool_choice:'required' =tool_choice:'none' tool_choice:{'type':'function','function':{'name':'zq'}} parallel_tool_calls:false" },
	{ FORM_CHAT, "tools[*].", "{'tools':[{~,'function':{'name':'f'}}]," CHAT_USER "}", "=type:'function'" },
	{ FORM_CHAT, "tools[*].", "{'tools':[{~,'type':'function','function':{'name':'f'}}]," CHAT_USER "}", "cache_control:{'type':'ephemeral'} =defer_loading:false" },
	{ FORM_CHAT, "tools[*].function.", "{'tools':[{'type':'function','function':{~,'name':'f'}}]," CHAT_USER "}", "description:'zq' parameters:{'type':'object','title':'zq'} strict:true cache_control:{'type':'ephemeral'} =defer_loading:false" },
	{ FORM_CHAT, "tools[*].function.", "{'tools':[{'type':'function','function':{~}}]," CHAT_USER "}", "name:'zq'" },
	{ FORM_CHAT, "tools[*].custom.", "{'tools':[{'type':'custom','custom':{~}}]," CHAT_USER "}", "name:'zq'" },
	{ FORM_CHAT, "tools[*].custom.", "{'tools':[{'type':'custom','custom':{~,'name':'f'}}]," CHAT_USER "}",
		"description:'zq' =format.type:'text' format.grammar.definition:'zq'" },
	{ FORM_CHAT, "tools[*].custom.format.grammar.", "{'tools':[{'type':'custom','custom':{'name':'f','format':{'type':'grammar','grammar':{~,'definition':'1'}}}}]," CHAT_USER "}", "syntax:'zq'" },
	{ FORM_CHAT, "messages[*].", "{'messages':[{~,'content':'hi'}]}", "=role:'user'" },
	{ FORM_CHAT, "messages[0].", "{'messages':[{~,'content':'hi'}," "{'role':'user','content':'hi'}]}", "=role:'system' =role:'developer'" },
	{ FORM_CHAT, "messages[1].", "{'messages':[{'role':'user','content':'hi'},{~,'content':'hi'},{'role':'user','content':'hi'}]}", "=role:'system' =role:'developer' =role:'assistant'" },
	{ FORM_CHAT, "messages[*].", "{'messages':[{~,'role':'user'}]}", "content:'zq'" },
	{ FORM_CHAT, "messages[*].", "{'messages':[{~,'role':'user','content':'hi'}]}", "name:'zq' cache_control:{'type':'ephemeral'}" },
	{ FORM_CHAT, "messages[*].", "{'messages':[{'role':'user','content':'hi'},{~,'role':'assistant','content':'hi'},{'role':'user','content':'hi'}]}",
		"refusal:'zq' reasoning_content:'zq' reasoning:'zq' annotations:[] parsed:{} audio:{'id':'zq'} function_call:{'name':'f'} =prefix:false =weight:1 =partial:false model:'zq' reasoning_details:[{'type':'zq'}] thinking_blocks:[{'type':'zq'}] provider_specific_fields:{'zq':1}" },
	{ FORM_CHAT, "messages[*].tool_calls[*].", CHAT_CALL("~,'id':'a','type':'function','function':{'name':'f','arguments':'{}'}", "'tool_call_id':'a','content':'1'"), "index:0 extra_content:{'zq':1} provider_specific_fields:{'zq':1}" },
	{ FORM_CHAT, "messages[*].tool_calls[*].", CHAT_CALL("~,'id':'a','function':{'name':'f','arguments':'{}'}", "'tool_call_id':'a','content':'1'"), "=type:'function'" },
	{ FORM_CHAT, "messages[*].tool_calls[*].", CHAT_CALL("~,'type':'function','function':{'name':'f','arguments':'{}'}", "'tool_call_id':'zq','content':'1'"), "id:'zq'" },
	{ FORM_CHAT, "messages[*].tool_calls[*].function.", CHAT_CALL("'id':'a','type':'function','function':{~,'arguments':'{}'}", "'tool_call_id':'a','content':'1'"), "name:'zq'" },
	{ FORM_CHAT, "messages[*].tool_calls[*].function.", CHAT_CALL("'id':'a','type':'function','function':{~,'name':'f'}", "'tool_call_id':'a','content':'1'"),
		"arguments:'{\\u0022zq\\u0022:1}' parsed_arguments:{} provider_specific_fields:{'zq':1}" },
	{ FORM_CHAT, "messages[*].tool_calls[*].custom.", CHAT_CALL("'id':'a','type':'custom','custom':{~,'input':'1'}", "'tool_call_id':'a','content':'1'"), "name:'zq'" },
	{ FORM_CHAT, "messages[*].tool_calls[*].custom.", CHAT_CALL("'id':'a','type':'custom','custom':{~,'name':'f'}", "'tool_call_id':'a','content':'1'"), "input:'zq'" },
	{ FORM_CHAT, "messages[*].", CHAT_CALL("'id':'zq','type':'function','function':{'name':'f','arguments':'{}'}", "~,'content':'1'"), "tool_call_id:'zq'" },
	{ FORM_CHAT, "messages[*].content[*].", CHAT_PART("~,'text':'hi'"), "=type:'text'" },
	{ FORM_CHAT, "messages[*].content[*].", CHAT_PART("~,'type':'text'"), "text:'zq'" },
	{ FORM_CHAT, "messages[*].content[*].", CHAT_PART("~,'type':'text','text':'hi'"), "cache_control:{'type':'ephemeral'} prompt_cache_breakpoint:{} annotations:[] =role:'assistant' tool_calls:[{'id':'zq'}] reasoning_content:'zq' reasoning:'zq' index:0" },
	{ FORM_CHAT, "messages[*].content[*].image_url.", CHAT_PART("'type':'image_url','image_url':{~}"), "=url:'https://zq' =url:'data:image/png;base64,QUJD'" },
	{ FORM_CHAT, "messages[*].content[*].image_url.", CHAT_PART("'type':'image_url','image_url':{~,'url':'data:image/png;base64,QUJD'}"), "detail:'low' =detail:'auto'" },
	{ FORM_CHAT, "messages[*].content[*].file.", CHAT_PART("'type':'file','file':{~,'filename':'n'}"), "=file_data:'data:application/pdf;base64,QUJD' =file_data:'data:text/plain;base64,QUJD' file_id:'zq'" },
	{ FORM_CHAT, "messages[*].content[*].file.", CHAT_PART("'type':'file','file':{~,'file_data':'data:application/pdf;base64,QUJD'}"), "filename:'zq'" },
	{ FORM_CHAT, "messages[*].content[*].input_audio.", CHAT_PART("'type':'input_audio','input_audio':{~,'format':'wav'}"), "data:'QUJD'" },
	{ FORM_CHAT, "messages[*].content[*].input_audio.", CHAT_PART("'type':'input_audio','input_audio':{~,'data':'QUJD'}"), "format:'wav'" },
	{ FORM_CHAT, "messages[*].content[*].", "{'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':[{~,'type':'refusal'}]},{'role':'user','content':'hi'}]}", "refusal:'zq'" },

	{ FORM_RESPONSES, "", "{~,'input':'hi'}",
		"max_output_tokens:77 temperature:0.25 top_p:0.5 safety_identifier:'zq' user:'zq' instructions:'zq' stream:true text.verbosity:'low' =text.verbosity:'medium' =text.format.type:'text' "
		"=text.format.type:'json_object' reasoning.effort:'low' reasoning.summary:'auto' reasoning.context:'all_turns' previous_response_id:'zq' conversation:'zq' prompt:{'id':'zq'} max_tool_calls:3 "
		"=include[*]:'reasoning.encrypted_content' =include[*]:'web_search_call.action.sources' =include[*]:'web_search_call.results' =include[*]:'file_search_call.results' "
		"=include[*]:'code_interpreter_call.outputs' =include[*]:'computer_call_output.output.image_url' =include[*]:'message.input_image.image_url' =include[*]:'message.output_text.logprobs' "
		"background:true =background:false truncation:'auto' =truncation:'disabled' stream_options:{} client_metadata:{'a':'b'} top_logprobs:3 =top_logprobs:0 metadata:{'a':'b'} service_tier:'auto' prompt_cache_key:'zq' "
		"prompt_cache_retention:'24h' prompt_cache_options:{} store:true =background_options.completion_window:'soonest' background_options.continuation_id:'zq' =generate:true =generate:false stream_id:'zq' "
		"=image.context_compression:'auto' =access_programs.cyber:'standard' =reasoning.mode:'standard' reasoning.generate_summary:'auto' =frequency_penalty:0 =frequency_penalty:0.0 =presence_penalty:0 "
		"=presence_penalty:0.0 =modalities:['text'] context_management:[{'type':'compaction'}] " ROUTED LIBRARY },
	{ FORM_RESPONSES, "", "{~}", "input:'zq'" },
	{ FORM_RESPONSES, "text.format.", "{'input':'hi','text':{'format':{~,'type':'json_schema','schema':{'type':'object'}}}}", "name:'zq' description:'zq' strict:true" },
	{ FORM_RESPONSES, "text.format.", "{'input':'hi','text':{'format':{~,'type':'json_schema','name':'n'}}}", "schema:{'type':'object','title':'zq'}" },
	{ FORM_RESPONSES, "", "{~,'tools':[{'type':'function','name':'zq'}],'input':'hi'}",
		"=tool_choice:'auto' =tool_choice:'required' =tool_choice:'none' tool_choice:{'type':'function','name':'zq'} parallel_tool_calls:false" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{~,'name':'f'}],'input':'hi'}", "=type:'function' =type:'custom'" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{~}],'input':'hi'}", "=type:'web_search' =type:'tool_search' =type:'file_search' =type:'code_interpreter' =type:'mcp'" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{~,'type':'function'}],'input':'hi'}", "name:'zq'" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{~,'type':'function','name':'f'}],'input':'hi'}", "parameters:{'type':'object','title':'zq'} strict:true =defer_loading:false =allowed_callers:['direct'] output_schema:{'type':'string'}" },
	{ FORM_RESPONSES, "tools[*].format.", "{'tools':[{'type':'custom','name':'f','format':{~}}],'input':'hi'}", "=type:'text' definition:'zq'" },
	{ FORM_RESPONSES, "tools[*].format.", "{'tools':[{'type':'custom','name':'f','format':{~,'type':'grammar','definition':'1'}}],'input':'hi'}", "syntax:'zq'" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{~,'type':'namespace','name':'n','tools':[{'type':'function','name':'f'}]}],'input':'hi'}", "description:'zq'" },
	{ FORM_RESPONSES, "tools[*].", "{'tools':[{'type':'namespace','name':'n',~}],'input':'hi'}", "tools:[{'type':'function','name':'zq'}]" },
	{ FORM_RESPONSES, "input[*].", "{'input':[{~,'role':'user','content':'hi'}]}", "=type:'message' id:'zq' status:'completed' phase:'commentary'" },
	{ FORM_RESPONSES, "input[0].", "{'input':[{~,'content':'hi'},{'role':'user','content':'hi'}]}", "=role:'user' =role:'system' =role:'developer'" },
	{ FORM_RESPONSES, "input[1].", "{'input':[{'role':'user','content':'hi'},{~,'content':'hi'},{'role':'user','content':'hi'}]}", "=role:'system' =role:'developer' =role:'assistant'" },
	{ FORM_RESPONSES, "input[*].", "{'input':[{~,'role':'user'}]}", "content:'zq'" },
	{ FORM_RESPONSES, "input[*].", "{'input':[{~},{'role':'user','content':'hi'}]}", "=type:'item_reference' =type:'reasoning' =type:'web_search_call' =type:'mcp_call'" },
	{ FORM_RESPONSES, "input[*].", ITEM("~,'type':'additional_tools'"), "tools:[{'type':'function','name':'zq'}] role:'developer'" },
	{ FORM_RESPONSES, "input[*].tools[*].", ITEM("'type':'additional_tools','tools':[{~,'type':'namespace','name':'n','tools':[]}]"), "description:'zq'" },
	{ FORM_RESPONSES, "input[*].", ITEM("~,'type':'reasoning'"), "summary:[] encrypted_content:'zq'" },
	{ FORM_RESPONSES, "input[*].", ITEM_CALL("~,'type':'function_call','name':'f','arguments':'{}'", "'type':'function_call_output','call_id':'zq','output':'1'"), "call_id:'zq'" },
	{ FORM_RESPONSES, "input[*].", ITEM_CALL("~,'type':'function_call','call_id':'a','arguments':'{}'", "'type':'function_call_output','call_id':'a','output':'1'"), "name:'zq'" },
	{ FORM_RESPONSES, "input[*].", ITEM_CALL("~,'type':'function_call','call_id':'a','name':'f'", "'type':'function_call_output','call_id':'a','output':'1'"),
		"arguments:'{\\u0022zq\\u0022:1}' namespace:'zq' parsed_arguments:{} =caller.type:'direct'" },
	{ FORM_RESPONSES, "input[*].", ITEM_CALL("'type':'function_call','call_id':'a','name':'f','arguments':'{}'", "~,'type':'function_call_output','call_id':'a'"), "output:'zq'" },
	{ FORM_RESPONSES, "input[*].", ITEM_CALL("~,'type':'custom_tool_call','call_id':'a','name':'f'", "'type':'custom_tool_call_output','call_id':'a','output':'1'"), "input:'zq'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'text':'hi'"), "=type:'input_text'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_text'"), "text:'zq'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_text','text':'hi'"), "annotations:[] logprobs:[] parsed:{} prompt_cache_breakpoint:{'mode':'explicit'}" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_image'"), "=image_url:'https://zq' =image_url:'data:image/png;base64,QUJD' file_id:'zq'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_image','image_url':'data:image/png;base64,QUJD'"), "detail:'low' =detail:'auto'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_file','filename':'n'"), "=file_data:'data:application/pdf;base64,QUJD' =file_data:'data:text/plain;base64,QUJD' file_url:'https://zq'" },
	{ FORM_RESPONSES, "input[*].content[*].", INPUT_PART("~,'type':'input_file','file_data':'data:application/pdf;base64,QUJD'"), "filename:'zq'" },
	{ FORM_RESPONSES, "input[*].content[*].", "{'input':[{'role':'user','content':'hi'},{'role':'assistant','content':[{~,'type':'refusal'}]},{'role':'user','content':'hi'}]}", "refusal:'zq'" },

	{ FORM_MESSAGES, "", "{~," CHAT_USER "}",
		"max_tokens:77 temperature:0.25 top_p:0.5 top_k:7 stop_sequences:['zq'] =stop_sequences:[] system:'zq' stream:true metadata:{'a':'b'} metadata.user_id:'zq' cache_control:{'type':'ephemeral'} "
		"=thinking.type:'disabled' =thinking.type:'adaptive' output_config.effort:'low' thinking.display:'omitted' service_tier:'auto' betas:[] context_management:{} inference_geo:'us' anthropic_beta:[] "
		"speed:'fast' =speed:'standard' container:'zq' mcp_servers:[] =thread:false =fallbacks:'default' billing_policy.type:'billing_policy' =billing_policy.bill_to:'self' diagnostics:{'previous_message_id':'zq'} "
		"fallback_credit_token:'zq' user_profile_id:'zq' user:'zq' " ROUTED LIBRARY },
	{ FORM_MESSAGES, "thinking.", "{'thinking':{~,'type':'enabled'}," CHAT_USER "}", "budget_tokens:7777" },
	{ FORM_MESSAGES, "output_config.format.", "{'output_config':{'format':{~,'type':'json_schema'}}," CHAT_USER "}", "schema:{'type':'object','additionalProperties':false,'title':'zq'}" },
	{ FORM_MESSAGES, "output_config.format.", "{'output_config':{'format':{~,'schema':{'type':'object','additionalProperties':false}}}," CHAT_USER "}", "=type:'json_schema'" },
	{ FORM_MESSAGES, "output_format.", "{'output_format':{~,'type':'json_schema'}," CHAT_USER "}", "schema:{'type':'object','additionalProperties':false,'title':'zq'}" },
	{ FORM_MESSAGES, "output_format.", "{'output_format':{~,'schema':{'type':'object','additionalProperties':false}}," CHAT_USER "}", "=type:'json_schema'" },
	{ FORM_MESSAGES, "tool_choice.", "{'tool_choice':{~},'tools':[{'name':'f','input_schema':{'type':'object'}}]," CHAT_USER "}", "=type:'auto' =type:'any' =type:'none'" },
	{ FORM_MESSAGES, "tool_choice.", "{'tool_choice':{~,'type':'tool'},'tools':[{'name':'zq','input_schema':{'type':'object'}}]," CHAT_USER "}", "name:'zq'" },
	{ FORM_MESSAGES, "tool_choice.", "{'tool_choice':{~,'type':'auto'},'tools':[{'name':'f','input_schema':{'type':'object'}}]," CHAT_USER "}", "disable_parallel_tool_use:true" },
	{ FORM_MESSAGES, "tools[*].", "{'tools':[{~,'input_schema':{'type':'object'}}]," CHAT_USER "}", "name:'zq'" },
	{ FORM_MESSAGES, "tools[*].", "{'tools':[{~,'name':'f'}]," CHAT_USER "}", "input_schema:{'type':'object','title':'zq'}" },
	{ FORM_MESSAGES, "tools[*].", "{'tools':[{~,'name':'f','input_schema':{'type':'object','additionalProperties':false}}]," CHAT_USER "}",
		"=type:'custom' =type:'web_search_20250305' description:'zq' strict:true cache_control:{'type':'ephemeral'} eager_input_streaming:true allowed_callers:[] defer_loading:true =defer_loading:false" },
	{ FORM_MESSAGES, "messages[*].", "{'messages':[{~,'content':'hi'}]}", "=role:'user'" },
	{ FORM_MESSAGES, "messages[1].", "{'messages':[{'role':'user','content':'hi'},{~,'content':'hi'},{'role':'user','content':'hi'}]}", "=role:'assistant' =role:'system'" },
	{ FORM_MESSAGES, "messages[*].", "{'messages':[{~,'role':'user'}]}", "content:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCK("~,'text':'hi'"), "=type:'text'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCK("~,'type':'text'"), "text:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCK("~,'type':'text','text':'hi'"), "cache_control:{'type':'ephemeral'} index:0 citations:[{'type':'page_location'}]" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCK("~,'type':'document','source':{'type':'text','media_type':'text/plain','data':'a'}"), "title:'zq' context:'zq' =citations:{'enabled':false} =citations:{'enabled':true}" },
	{ FORM_MESSAGES, "messages[*].content[*].source.", BLOCK("'type':'image','source':{~,'type':'base64','media_type':'image/png'}"), "data:'QUJD'" },
	{ FORM_MESSAGES, "messages[*].content[*].source.", BLOCK("'type':'image','source':{~,'type':'base64','data':'QUJD'}"), "media_type:'image/png'" },
	{ FORM_MESSAGES, "messages[*].content[*].source.", BLOCK("'type':'image','source':{~,'media_type':'image/png','data':'QUJD'}"), "=type:'base64'" },
	{ FORM_MESSAGES, "messages[*].content[*].source. of an image", BLOCK("'type':'image','source':{~,'type':'url'}"), "url:'https://zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].source. of a document", BLOCK("'type':'document','source':{~,'type':'url'}"), "url:'https://zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].source.", BLOCK("'type':'document','source':{~,'type':'file'}"), "file_id:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'tool_use','name':'f','input':{}", "'type':'tool_result','tool_use_id':'zq','content':'1'"), "id:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'tool_use','id':'a','input':{}", "'type':'tool_result','tool_use_id':'a','content':'1'"), "name:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'tool_use','id':'a','name':'f'", "'type':'tool_result','tool_use_id':'a','content':'1'"), "input:{'zq':1}" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'tool_use','id':'a','name':'f','input':{}", "'type':'tool_result','tool_use_id':'a','content':'1'"), "caller:{'type':'direct'}" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("'type':'tool_use','id':'zq','name':'f','input':{}", "~,'type':'tool_result','content':'1'"), "tool_use_id:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("'type':'tool_use','id':'a','name':'f','input':{}", "~,'type':'tool_result','tool_use_id':'a'"), "content:'zq' is_error:true" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'thinking':'zq','signature':'zq'", "'type':'text','text':'hi'"), "=type:'thinking'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'data':'zq'", "'type':'text','text':'hi'"), "=type:'redacted_thinking'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'thinking'", "'type':'text','text':'hi'"), "thinking:'zq' signature:'zq'" },
	{ FORM_MESSAGES, "messages[*].content[*].", BLOCKS("~,'type':'redacted_thinking'", "'type':'text','text':'hi'"), "data:'zq'" },

	{ FORM_GENERATE, "", "{~," GEMINI "}",
		"serviceTier:'standard' systemInstruction.parts:[{'text':'zq'}] labels:{'a':'b'} =safetySettings:[] safetySettings:[{'category':'c'}] cachedContent:'zq' store:true" },
	{ FORM_GENERATE, "systemInstruction.", "{'systemInstruction':{~,'parts':[{'text':'hi'}]}," GEMINI "}", "role:'system'" },
	{ FORM_GENERATE, "generationConfig.", "{'generationConfig':{~}," GEMINI "}",
		"maxOutputTokens:77 temperature:0.25 topP:0.5 topK:7 stopSequences:['zq'] =stopSequences:[] seed:77 frequencyPenalty:0.25 =frequencyPenalty:0 =frequencyPenalty:0.0 presencePenalty:0.25 =presencePenalty:0 =presencePenalty:0.0 =audioTimestamp:false =enableEnhancedCivicAnswers:false =mediaResolution:'MEDIA_RESOLUTION_UNSPECIFIED' candidateCount:2 =candidateCount:1 "
		"=responseMimeType:'application/json' =responseMimeType:'text/plain' responseLogprobs:true =responseLogprobs:false logprobs:3 =responseModalities:['IMAGE'] =responseModalities:['TEXT'] "
		"thinkingConfig.thinkingLevel:'LOW' =thinkingConfig.thinkingLevel:'THINKING_LEVEL_UNSPECIFIED' =logprobs:0 thinkingConfig.thinkingBudget:7777 thinkingConfig.includeThoughts:true =enableAffectiveDialog:false mediaResolution:'MEDIA_RESOLUTION_LOW' speechConfig:{'languageCode':'de-DE'}" },
	{ FORM_GENERATE, "generationConfig.", "{'generationConfig':{~,'responseMimeType':'application/json'}," GEMINI "}", "responseSchema:{'type':'OBJECT','title':'zq'} responseJsonSchema:{'type':'object','title':'zq'}" },
	{ FORM_GENERATE, "tools[*].", "{'tools':[{~}]," GEMINI "}", "googleSearch:{} codeExecution:{} urlContext:{}" },
	{ FORM_GENERATE, "tools[*].functionDeclarations[*].", "{'tools':[{'functionDeclarations':[{~}]}]," GEMINI "}", "name:'zq'" },
	{ FORM_GENERATE, "tools[*].functionDeclarations[*].", "{'tools':[{'functionDeclarations':[{~,'name':'f'}]}]," GEMINI "}",
		"=behavior:'UNSPECIFIED' =behavior:'BLOCKING' description:'zq' parameters:{'type':'OBJECT','title':'zq'} parametersJsonSchema:{'type':'object','title':'zq'} response:{'type':'STRING'} responseJsonSchema:{'type':'string'} behavior:'NON_BLOCKING'" },
	{ FORM_GENERATE, "toolConfig.", "{'toolConfig':{~}," GEMINI "}", "=includeServerSideToolInvocations:false" },
	{ FORM_GENERATE, "toolConfig.functionCallingConfig.", "{'toolConfig':{'functionCallingConfig':{~}},'tools':[{'functionDeclarations':[{'name':'f'}]}]," GEMINI "}", "=streamFunctionCallArguments:false =mode:'AUTO' =mode:'ANY' =mode:'NONE' =mode:'VALIDATED'" },
	{ FORM_GENERATE, "toolConfig.functionCallingConfig.", "{'toolConfig':{'functionCallingConfig':{~,'mode':'ANY'}},'tools':[{'functionDeclarations':[{'name':'zq'}]}]," GEMINI "}", "allowedFunctionNames:['zq']" },
	{ FORM_GENERATE, "contents[*].", "{'contents':[{~,'parts':[{'text':'hi'}]}]}", "=role:'user'" },
	{ FORM_GENERATE, "contents[1].", "{'contents':[{'role':'user','parts':[{'text':'hi'}]},{~,'parts':[{'text':'hi'}]},{'role':'user','parts':[{'text':'hi'}]}]}", "=role:'model'" },
	{ FORM_GENERATE, "contents[*].", "{'contents':[{~}]}", "parts:[{'text':'zq'}]" },
	{ FORM_GENERATE, "contents[*].parts[*].", PARTS("~,'text':'hi'", "'text':'hi'"), "thought:true thoughtSignature:'zq' videoMetadata:{'fps':1} partMetadata:{'zq':1}" },
	{ FORM_GENERATE, "contents[*].parts[*].", PART("~"), "text:'zq' executableCode:{'code':'x'}" },
	{ FORM_GENERATE, "contents[*].parts[*].inlineData.", PART("'inlineData':{~,'mimeType':'image/png'}"), "data:'QUJD'" },
	{ FORM_GENERATE, "contents[*].parts[*].inlineData.", PART("'inlineData':{~,'mimeType':'image/png','data':'QUJD'}"), "displayName:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].fileData.", PART("'fileData':{~,'mimeType':'application/pdf','fileUri':'https://zq'}"), "displayName:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].inlineData.", PART("'inlineData':{~,'data':'QUJD'}"), "=mimeType:'image/png' =mimeType:'application/pdf' =mimeType:'text/plain' =mimeType:'audio/wav' =mimeType:'video/mp4'" },
	{ FORM_GENERATE, "contents[*].parts[*].fileData.", PART("'fileData':{~,'mimeType':'application/pdf'}"), "=fileUri:'https://zq' =fileUri:'gs://zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].fileData.", PART("'fileData':{~,'fileUri':'https://zq'}"), "=mimeType:'image/png' =mimeType:'video/mp4'" },
	{ FORM_GENERATE, "contents[*].parts[*].functionCall.", PARTS("'functionCall':{~,'name':'f'}", "'functionResponse':{'id':'zq','name':'f','response':{'output':'1'}}"), "id:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].functionCall.", PARTS("'functionCall':{~,'name':'f'}", "'functionResponse':{'name':'f','response':{'output':'1'}}"), "=willContinue:false" },
	{ FORM_GENERATE, "contents[*].parts[*].functionCall.", PARTS("'functionCall':{~}", "'functionResponse':{'name':'zq','response':{'output':'1'}}"), "name:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].functionCall.", PARTS("'functionCall':{~,'name':'f'}", "'functionResponse':{'name':'f','response':{'output':'1'}}"), "args:{'zq':1}" },
	{ FORM_GENERATE, "contents[*].parts[*].functionResponse.", PARTS("'functionCall':{'id':'zq','name':'f'}", "'functionResponse':{~,'name':'f','response':{'output':'1'}}"), "id:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].functionResponse.", PARTS("'functionCall':{'name':'zq'}", "'functionResponse':{~,'response':{'output':'1'}}"), "name:'zq'" },
	{ FORM_GENERATE, "contents[*].parts[*].functionResponse.", PARTS("'functionCall':{'name':'f'}", "'functionResponse':{~,'name':'f'}"), "response:{'output':'zq'} =willContinue:false =scheduling:'SCHEDULING_UNSPECIFIED' =scheduling:'WHEN_IDLE' scheduling:'INTERRUPT'" },

	{ FORM_EMBEDDINGS, "", "{~,'input':'hi'}", "dimensions:77 user:'zq' safety_identifier:'zq' encoding_format:'base64' =encoding_format:'float' metadata:{'a':'b'} service_tier:'auto' =priority:0 =add_special_tokens:true " LIBRARY },
	{ FORM_EMBEDDINGS, "", "{~}", "=input:'text' =input:['a','b'] =input:[77]" },

	{ FORM_CONVERSE, "", "{~," CONVERSE "}",
		"system:[{'text':'zq'}] outputConfig.effort:'low' additionalModelRequestFields:{'top_k':7} =additionalModelRequestFields:{} requestMetadata:{'a':'b'} performanceConfig:{'latency':'standard'} serviceTier:{'type':'default'} "
		"guardrailConfig:{'guardrailIdentifier':'zq'} promptVariables:{} additionalModelResponseFieldPaths:['/stop_sequence'] projectIdentifier:'zq'" },
	{ FORM_CONVERSE, "additionalModelRequestFields.reasoningConfig.", "{'additionalModelRequestFields':{'reasoningConfig':{~}}," CONVERSE "}", "=type:'enabled' =type:'disabled' maxReasoningEffort:'low'" },
	{ FORM_CONVERSE, "additionalModelRequestFields.output_config.", "{'additionalModelRequestFields':{'output_config':{~}}," CONVERSE "}", "effort:'low'" },
	{ FORM_CONVERSE, "additionalModelRequestFields.", "{'additionalModelRequestFields':{~}," CONVERSE "}", "anthropic_beta:['zq']" },
	{ FORM_CONVERSE, "additionalModelRequestFields.thinking.", "{'additionalModelRequestFields':{'thinking':{~}}," CONVERSE "}", "=type:'disabled' =type:'enabled' =type:'adaptive'" },
	{ FORM_CONVERSE, "additionalModelRequestFields.thinking.", "{'additionalModelRequestFields':{'thinking':{~,'type':'enabled'}}," CONVERSE "}", "budget_tokens:7777" },
	{ FORM_CONVERSE, "inferenceConfig.", "{'inferenceConfig':{~}," CONVERSE "}", "maxTokens:77 temperature:0.25 topP:0.5 stopSequences:['zq'] =stopSequences:[]" },
	{ FORM_CONVERSE, "outputConfig.textFormat.", "{'outputConfig':{'textFormat':{~,'structure':{'jsonSchema':{'schema':'{}'}}}}," CONVERSE "}", "=type:'json_schema'" },
	{ FORM_CONVERSE, "outputConfig.textFormat.structure.jsonSchema.", "{'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{~}}}}," CONVERSE "}", "schema:'{\\u0022title\\u0022:\\u0022zq\\u0022}'" },
	{ FORM_CONVERSE, "outputConfig.textFormat.structure.jsonSchema.", "{'outputConfig':{'textFormat':{'type':'json_schema','structure':{'jsonSchema':{~,'schema':'{}'}}}}," CONVERSE "}", "name:'zq' description:'zq'" },
	{ FORM_CONVERSE, "toolConfig.toolChoice.", "{'toolConfig':{'toolChoice':{~},'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}]}," CONVERSE "}", "auto:{} any:{}" },
	{ FORM_CONVERSE, "toolConfig.toolChoice.", "{'toolConfig':{'toolChoice':{~},'tools':[{'toolSpec':{'name':'zq','inputSchema':{'json':{'type':'object'}}}}]}," CONVERSE "}", "tool.name:'zq'" },
	{ FORM_CONVERSE, "toolConfig.tools[*].toolSpec.", "{'toolConfig':{'tools':[{'toolSpec':{~,'inputSchema':{'json':{'type':'object'}}}}]}," CONVERSE "}", "name:'zq'" },
	{ FORM_CONVERSE, "toolConfig.tools[*].toolSpec.", "{'toolConfig':{'tools':[{'toolSpec':{~,'name':'f'}}]}," CONVERSE "}", "description:'zq' inputSchema.json:{'type':'object','title':'zq'}" },
	{ FORM_CONVERSE, "toolConfig.tools[*].toolSpec.", "{'toolConfig':{'tools':[{'toolSpec':{~,'name':'f','inputSchema':{'json':{'type':'object','additionalProperties':false}}}}]}," CONVERSE "}", "strict:true" },
	{ FORM_CONVERSE, "toolConfig.tools[*].", "{'toolConfig':{'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}},{~}]}," CONVERSE "}", "cachePoint:{'type':'default'} systemTool:{'name':'zq'}" },
	{ FORM_CONVERSE, "messages[*].", "{'messages':[{~,'content':[{'text':'hi'}]}]}", "=role:'user'" },
	{ FORM_CONVERSE, "messages[1].", "{'messages':[{'role':'user','content':[{'text':'hi'}]},{~,'content':[{'text':'hi'}]},{'role':'user','content':[{'text':'hi'}]}]}", "=role:'assistant'" },
	{ FORM_CONVERSE, "messages[*].", "{'messages':[{~,'role':'user'}]}", "content:[{'text':'zq'}]" },
	{ FORM_CONVERSE, "messages[*].content[*].", "{'messages':[{'role':'user','content':[{'text':'hi'},{~}]}]}", "text:'zq' cachePoint:{'type':'default'} guardContent:{'text':{'text':'zq'}} video:{'format':'mp4'} searchResult:{'title':'zq'}" },
	{ FORM_CONVERSE, "messages[*].content[*].image.", "{'messages':[{'role':'user','content':[{'image':{~,'format':'png'}}]}]}", "source.bytes:'QUJD' source.s3Location:{'uri':'s3://zq'}" },
	{ FORM_CONVERSE, "messages[*].content[*].image.", "{'messages':[{'role':'user','content':[{'image':{~,'source':{'bytes':'QUJD'}}}]}]}", "format:'png'" },
	{ FORM_CONVERSE, "messages[*].content[*].document. of a PDF", "{'messages':[{'role':'user','content':[{'document':{~,'format':'pdf'}}]}]}", "source.bytes:'QUJD'" },
	{ FORM_CONVERSE, "messages[*].content[*].document. of a text", "{'messages':[{'role':'user','content':[{'document':{~,'format':'txt'}}]}]}", "source.bytes:'QUJD' source.text:'zq'" },
	{ FORM_CONVERSE, "messages[*].content[*].document.", "{'messages':[{'role':'user','content':[{'document':{~,'source':{'bytes':'QUJD'}}}]}]}", "=format:'pdf' =format:'csv' =format:'docx'" },
	{ FORM_CONVERSE, "messages[*].content[*].document.", "{'messages':[{'role':'user','content':[{'document':{~,'format':'pdf','source':{'bytes':'QUJD'}}}]}]}", "name:'zq' context:'zq' citations:{'enabled':true} =citations:{'enabled':false}" },
	{ FORM_CONVERSE, "messages[*].content[*].toolUse.", CONVERSE_CALL("~,'name':'f','input':{}", "'toolUseId':'zq','content':[{'text':'1'}]"), "toolUseId:'zq'" },
	{ FORM_CONVERSE, "messages[*].content[*].toolUse.", CONVERSE_CALL("~,'toolUseId':'a','input':{}", RESULT), "name:'zq'" },
	{ FORM_CONVERSE, "messages[*].content[*].toolUse.", CONVERSE_CALL("~,'toolUseId':'a','name':'f'", RESULT), "input:{'zq':1}" },
	{ FORM_CONVERSE, "messages[*].content[*].toolResult.", CONVERSE_CALL("'toolUseId':'zq','name':'f','input':{}", "~,'content':[{'text':'1'}]"), "toolUseId:'zq'" },
	{ FORM_CONVERSE, "messages[*].content[*].toolResult.", CONVERSE_CALL("'toolUseId':'a','name':'f','input':{}", "~,'toolUseId':'a'"), "content:[{'text':'zq'}] content[*].json:{'zq':1}" },
	{ FORM_CONVERSE, "messages[*].content[*].toolResult.", CONVERSE_CALL("'toolUseId':'a','name':'f','input':{}", "~," RESULT), "=status:'success' =status:'error'" },
	{ FORM_CONVERSE, "messages[*].content[*].", "{'messages':[{'role':'user','content':[{'text':'hi'}]},{'role':'assistant','content':[{'text':'hi'},{~}]},{'role':'user','content':[{'text':'hi'}]}]}", "reasoningContent:{'reasoningText':{'text':'zq'}}" },
};
/* clang-format on */

static const struct request_form *const forms[] = { &chat_request_form, &responses_request_form,
	&messages_request_form, &generate_request_form, &converse_request_form, &embeddings_request_form };

/* ---- one member ---- */

/* Writes a.b[*].c as 'a':{'b':[{'c':value}]}. */
static void
put_member(struct buf *b, struct span name, struct span value)
{
	struct span rest = name, key = span_next(&rest, '.');
	bool list = span_ends(key, SPAN_LIT("[*]"));

	buf_printf(b, "'%.*s':%s", SPAN_ARG(span_cut(key, 0, key.n - 3 * list)), list ? "[" : "");
	if (rest.n) {
		buf_str(b, "{");
		put_member(b, rest, value);
		buf_str(b, "}");
	} else {
		buf_span(b, value);
	}
	buf_str(b, list ? "]" : "");
}

static void
put_body(struct buf *b, const char *body, struct span name, struct span value)
{
	size_t begin = b->n;

	for (const char *c = body; *c; c++)
		if (*c != '~')
			buf_putc(b, *c);
		else if (name.n)
			put_member(b, name, value);
		else
			c += c[1] == ',';
	for (char *c = b->p + b->start + begin; c < b->p + b->start + b->n; c++)
		*c = *c == '\'' ? '"' : *c;
}

struct outcome {
	int err;
	bool stream, usage; /* requested in the path, or part of the response */
	size_t noted;
	struct span out;
};

static struct outcome
outcome_of(struct arena *a, enum form from, enum form to, const char *body, struct span name, struct span value)
{
	struct translated_request made;
	SCOPED_BUF(in, 0);
	SCOPED_BUF(out, 0);

	put_body(&in, body, name, value);
	struct span json = arena_dup(a, buf_view(&in));
	const struct translate_ask ask = {
		.from = from, .to = to, .body = json, .model = SPAN_LIT("m"), .cap_tokens = 4096, .custom_tools = true
	};
	int err = translate_request(&ask, a, &out, &made);
	return (struct outcome){ err, made.stream, made.wants_usage || made.base64, made.ndropped,
		arena_dup(a, buf_view(&out)) };
}

static size_t
count_in(struct span in, struct span of)
{
	size_t n = 0;

	for (const char *at; of.n && (at = memmem(in.p, in.n, of.p, of.n)); n++)
		in = span_cut(in, (size_t)(at - in.p) + of.n, in.n);
	return n;
}

static const char *
cell_of(enum form from, enum form to, const char *body, struct span name, struct span value)
{
	struct arena a;
	SCOPED_BUF(raw, 0);

	arena_init(&a, 0, false);
	struct outcome without = outcome_of(&a, from, to, body, SPAN_LIT(""), SPAN_LIT(""));
	struct outcome with = outcome_of(&a, from, to, body, name, value);
	put_body(&raw, "~", SPAN_LIT("x"), value);
	struct span text = span_cut(buf_view(&raw), strlen("'x':"), raw.n);
	struct span inside = text.p[0] == '"' ? span_cut(text, 1, text.n - 1) : text;
	bool same = !without.err && span_eq(without.out, with.out) && with.stream == without.stream &&
		    with.usage == without.usage;
	bool noted = with.noted > (without.err || same ? 0 : without.noted);
	bool there = count_in(with.out, inside) > (without.err ? 0 : count_in(without.out, inside));
	bool passed = count_in(with.out, text) > (without.err ? 0 : count_in(without.out, text));
	arena_reset(&a);
	return with.err		 ? "refused"
	       : noted && !there ? "left out, recorded"
	       : same		 ? "left out"
	       : noted		 ? "rewritten, recorded"
	       : passed		 ? "passed"
				 : "rewritten";
}

/* ---- the page ---- */

static void
put_path(struct buf *b, const char *at, struct span item, struct span *name, struct span *value)
{
	bool is = span_take(&item, '=');
	struct span rest = span_str(at), in = span_next(&rest, ' ');

	*value = item;
	*name = span_next(value, ':');
	buf_printf(b, "%.*s%.*s%s", SPAN_ARG(in), SPAN_ARG(*name), is ? "=" : "");
	for (size_t i = 0; is && i < value->n; i++)
		if (value->p[i] != '\'')
			buf_putc(b, value->p[i]);
}

static const struct {
	enum form from, first, last; /* into these forms */
	const char *title;
} tables[] = {
	{ FORM_CHAT, FORM_CHAT, FORM_CONVERSE, "OpenAI's chat completions" },
	{ FORM_RESPONSES, FORM_CHAT, FORM_CONVERSE, "OpenAI's responses" },
	{ FORM_MESSAGES, FORM_CHAT, FORM_CONVERSE, "Anthropic's messages" },
	{ FORM_GENERATE, FORM_CHAT, FORM_CONVERSE, "Gemini's generateContent" },
	{ FORM_CONVERSE, FORM_CHAT, FORM_CONVERSE, "Bedrock's converse" },
	{ FORM_EMBEDDINGS, FORM_EMBED_GEMINI, FORM_EMBED_TITAN, "OpenAI's embeddings" },
};

static void
put_table(struct buf *page, size_t table)
{
	static const char *const embeds[FORMS] = { [FORM_EMBED_GEMINI] = "Gemini",
		[FORM_EMBED_COHERE] = "Cohere",
		[FORM_EMBED_INVOKED] = "Bedrock, Cohere's models",
		[FORM_EMBED_TITAN] = "Bedrock, Titan" };
	enum form from = tables[table].from, to;

	buf_printf(page, "\n## %s\n\n| member |", tables[table].title);
	for (to = tables[table].first; to <= tables[table].last; to++)
		if (to != from && embeds[to])
			buf_printf(page, " %s |", embeds[to]);
		else if (to != from)
			buf_printf(page, " `%s` |", form_name(to));
	buf_str(page, "\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct span rest = span_str(places[i].members), name, value;
		const char *note = strchr(places[i].at, ' ');
		while (places[i].form == from && rest.n) {
			struct span item = span_next(&rest, ' ');
			buf_str(page, "| `");
			put_path(page, places[i].at, item, &name, &value);
			buf_printf(page, "`%s |", note ? note : "");
			for (to = tables[table].first; to <= tables[table].last; to++)
				if (to != from)
					buf_printf(page, " %s |", cell_of(from, to, places[i].body, name, value));
			buf_str(page, "\n");
		}
	}
}

static const char page_file[] = "docs/translation-members.md";
static const char mark[] = "<!-- The tables are made by tests/unit/test_translate_members.c: make reference -->\n";

static void
page_states_what_becomes_of_each_member(void **state)
{
	static char text[256 << 10];
	FILE *f = fopen(page_file, "r");
	struct buf page = { 0 };

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	char *made = strstr(text, mark);
	assert_non_null(made);
	made += strlen(mark);
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		put_table(&page, i);
	bool same = span_is(buf_view(&page), made);
	if (!same && getenv("MEMBERS") && !strcmp(getenv("MEMBERS"), "write")) {
		f = fopen(page_file, "w");
		assert_non_null(f);
		fprintf(f, "%.*s%.*s", (int)(made - text), text, SPAN_ARG(buf_view(&page)));
		assert_int_equal(fclose(f), 0);
		same = true;
	}
	if (!same)
		fail_msg("%s is not what translation does: run make reference", page_file);
	buf_free(&page);
}

/* ---- completeness ---- */

/* Returns true if the row is about this path or about a member below it: directly below, or with `deep` at any depth. */
static bool
is_row_of(struct span row, struct span path, bool deep)
{
	for (size_t i = 0; i + path.n <= row.n; i++) {
		char after = i + path.n < row.n ? row.p[i + path.n] : '.';
		if ((!i || (deep && row.p[i - 1] == '.')) && (after == '.' || after == '[' || after == '=') &&
			!memcmp(row.p + i, path.p, path.n))
			return true;
	}
	return false;
}

static bool
has_row(enum form form, struct span path, bool deep)
{
	struct span name, value;

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct span rest = span_str(places[i].members);
		while (places[i].form == form && rest.n) {
			SCOPED_BUF(row, 0);
			put_path(&row, places[i].at, span_next(&rest, ' '), &name, &value);
			if (is_row_of(buf_view(&row), path, deep))
				return true;
		}
	}
	return false;
}

static void
expect_members(enum form form, const struct member *m)
{
	for (; m && m->name; m++) {
		size_t n = strlen(m->name);
		bool inner = m[1].name && !strncmp(m[1].name, m->name, n) && m[1].name[n] == '.';
		if (!inner && strcmp(m->name, "model") != 0 && !has_row(form, span_str(m->name), true))
			fail_msg("no row for %s of %s", m->name, form_name(form));
	}
}

static const char *const harmless_members[] = {
#include "answer/translate/harmless_members.inc"
};

static void
member_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		const struct member *const *more = forms[i]->more;
		expect_members(forms[i]->form, forms[i]->members);
		expect_members(forms[i]->form, forms[i]->turn);
		expect_members(forms[i]->form, forms[i]->tool);
		expect_members(forms[i]->form, forms[i]->parts.members);
		while (more && *more)
			expect_members(forms[i]->form, *more++);
	}
	for (size_t i = 0; i < COUNT_OF(harmless_members); i++) {
		struct span path = span_str(harmless_members[i]);
		size_t form = 0;
		(void)span_take(&path, '!');
		struct span name = span_next(&path, ':');
		while (form < COUNT_OF(forms) && !span_is(name, "*") && !span_is(name, form_name(forms[form]->form)))
			form++;
		assert_true(form < COUNT_OF(forms));
		bool deep = span_starts(path, SPAN_LIT("*."));
		if (!has_row(forms[form]->form, span_cut(path, 2 * deep, path.n), deep))
			fail_msg("no row for %s", harmless_members[i]);
	}
}

/* Translates the body with the member into each other form, unless the form also refuses the body
 * without the member, but with the objects around it: the member is required then. Returns the number of forms
 * that refuse it, and adds those that were asked to *tried. */
static unsigned
count_refusals(enum form from, const char *body, struct span name, struct span value, unsigned *tried)
{
	bool embeds = from == FORM_EMBEDDINGS;
	enum form last = embeds ? FORM_EMBED_TITAN : FORM_CONVERSE;
	unsigned refused = 0;
	size_t dot = name.n;

	while (dot && name.p[dot] != '.')
		dot--;
	for (enum form to = embeds ? FORM_EMBED_GEMINI : FORM_CHAT; to <= last; to++) {
		struct arena a;
		if (to == from)
			continue;
		arena_init(&a, 0, false);
		bool required = outcome_of(&a, from, to, body, span_cut(name, 0, dot), SPAN_LIT("{}")).err;
		*tried += !required;
		if (!required && outcome_of(&a, from, to, body, name, value).err) {
			print_error("%s to %s: %.*s: %.*s is refused\n", form_name(from), form_name(to), SPAN_ARG(name), SPAN_ARG(value));
			refused++;
		}
		arena_reset(&a);
	}
	return refused;
}

/* Members whose empty object requests something: a tool of the provider's with all defaults. */
static const char *const empty_states[] = { "web_search_options", "googleSearch", "urlContext", "codeExecution" };

/* Each optional member of the rows as null, and as the empty value of its type, in each other form. A body that
 * is refused without the member shows that the member is required. An empty element of a list is no member. */
static void
empty_member_needs_no_place(void **state)
{
	unsigned refused = 0, tried = 0;

	(void)state;
	for (size_t at = 0; at < COUNT_OF(places); at++) {
		struct span rest = span_str(places[at].members);
		while (rest.n) {
			struct span value = span_next(&rest, ' '), name = span_next(&value, ':');
			(void)span_take(&name, '=');
			if (span_ends(name, SPAN_LIT("[*]")))
				continue;
			refused += count_refusals(places[at].form, places[at].body, name, SPAN_LIT("null"), &tried);
			const char *empty = value.p[0] == '\'' ? "''" : value.p[0] == '[' ? "[]" : value.p[0] == '{' ? "{}" : NULL;
			if (empty && !(empty[0] == '{' && SPAN_IN(name, empty_states)))
				refused += count_refusals(places[at].form, places[at].body, name, span_str(empty), &tried);
		}
	}
	assert_true(tried > 1000);
	assert_int_equal(refused, 0);
}

/* Optional members with the default that the provider's reference documents. Rows are written as those of
 * `places`. */
/* clang-format off */
static const struct {
	enum form form;
	const char *body, *members;
} defaults[] = {
	/* https://platform.openai.com/docs/api-reference/chat/create */
	{ FORM_CHAT, "{~," CHAT_USER "}",
		"frequency_penalty:0 presence_penalty:0 logit_bias:null logprobs:false top_logprobs:0 n:1 store:false stream:false temperature:1 top_p:1 service_tier:'auto' reasoning_effort:'medium' "
		"verbosity:'medium' modalities:['text'] response_format:{'type':'text'} parallel_tool_calls:true tool_choice:'none' tool_choice:'auto' function_call:'none' function_call:'auto' "
		"stream_options:{'include_usage':false} stream_options:{'include_obfuscation':true} prompt_cache_retention:'in_memory' prediction:null web_search_options:null" },
	{ FORM_CHAT, "{~,'tools':[{'type':'function','function':{'name':'f'}}]," CHAT_USER "}", "tool_choice:'auto' parallel_tool_calls:true" },
	{ FORM_CHAT, "{'tools':[{'type':'function','function':{~,'name':'f'}}]," CHAT_USER "}", "strict:false parameters:{'type':'object','properties':{}}" },
	{ FORM_CHAT, "{'tools':[{'type':'custom','custom':{~,'name':'f'}}]," CHAT_USER "}", "format:{'type':'text'}" },
	{ FORM_CHAT, "{'response_format':{'type':'json_schema','json_schema':{~,'name':'n','schema':{'type':'object'}}}," CHAT_USER "}", "strict:false" },
	{ FORM_CHAT, CHAT_PART("'type':'image_url','image_url':{~,'url':'data:image/png;base64,QUJD'}"), "detail:'auto'" },
	{ FORM_CHAT, "{'messages':[{'role':'user','content':'hi'},{~,'role':'assistant','content':'hi'},{'role':'user','content':'hi'}]}",
		"refusal:null audio:null function_call:null tool_calls:[] annotations:[] prefix:false" },
	/* https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
	{ FORM_CHAT, "{~," CHAT_USER "}",
		"best_of:1 use_beam_search:false top_k:0 top_k:-1 min_p:0.0 repetition_penalty:1.0 length_penalty:1.0 stop_token_ids:[] include_stop_str_in_output:false ignore_eos:false min_tokens:0 "
		"skip_special_tokens:true spaces_between_special_tokens:true truncate_prompt_tokens:null prompt_logprobs:null allowed_token_ids:null bad_words:[] echo:false add_generation_prompt:true "
		"continue_final_message:false add_special_tokens:false documents:null chat_template:null chat_template_kwargs:null include_reasoning:true priority:0 return_tokens_as_token_ids:null "
		"return_token_ids:false cache_salt:null logits_processors:null" },
	/* https://platform.openai.com/docs/api-reference/responses/create */
	{ FORM_RESPONSES, "{~,'input':'hi'}",
		"background:false include:[] instructions:null max_output_tokens:null max_tool_calls:null metadata:{} parallel_tool_calls:true previous_response_id:null conversation:null prompt:null reasoning:{} "
		"reasoning:{'effort':'medium'} reasoning:{'summary':null,'generate_summary':null} reasoning.effort:'medium' service_tier:'auto' store:true stream:false stream_options:null temperature:1 top_p:1 text:{} "
		"text:{'format':{'type':'text'}} text:{'verbosity':'medium'} tool_choice:'auto' tools:[] top_logprobs:0 truncation:'disabled' context_management:[] context_management:null "
		"prompt_cache_retention:'in_memory'" },
	{ FORM_RESPONSES, "{'tools':[{~,'type':'function','name':'f'}],'input':'hi'}", "strict:true strict:false strict:null parameters:{'type':'object','properties':{}} parameters:null defer_loading:false" },
	{ FORM_RESPONSES, "{'text':{'format':{~,'type':'json_schema','name':'n','schema':{'type':'object'}}},'input':'hi'}", "strict:false strict:null" },
	{ FORM_RESPONSES, INPUT_PART("~,'type':'input_image','image_url':'data:image/png;base64,QUJD'"), "detail:'auto' file_id:null" },
	{ FORM_RESPONSES, INPUT_PART("~,'type':'input_file','filename':'n','file_data':'data:application/pdf;base64,QUJD'"), "file_id:null file_url:null" },
	{ FORM_RESPONSES, "{'input':[{~,'role':'user','content':'hi'}]}", "type:'message' status:'completed' status:null id:null phase:null" },
	/* https://docs.anthropic.com/en/api/messages */
	{ FORM_MESSAGES, "{~,'max_tokens':9," CHAT_USER "}",
		"stream:false temperature:1.0 thinking:{'type':'disabled'} service_tier:'auto' stop_sequences:[] tools:[] mcp_servers:[] container:null context_management:null inference_geo:null output_config:{} "
		"output_config:{'format':null,'effort':null} output_format:null speed:'standard' fallbacks:[] metadata:{} metadata:{'user_id':null} cache_control:null system:'' system:[]" },
	{ FORM_MESSAGES, "{~,'max_tokens':9,'tools':[{'name':'f','input_schema':{'type':'object'}}]," CHAT_USER "}",
		"tool_choice:{'type':'auto'} tool_choice:{'type':'auto','disable_parallel_tool_use':false}" },
	{ FORM_MESSAGES, "{'max_tokens':9,'tools':[{~,'name':'f','input_schema':{'type':'object'}}]," CHAT_USER "}",
		"type:'custom' type:null strict:false defer_loading:false eager_input_streaming:false eager_input_streaming:null allowed_callers:['direct'] input_examples:[] cache_control:null description:''" },
	{ FORM_MESSAGES, "{'max_tokens':9,'messages':[{'role':'user','content':[{~,'type':'document','source':{'type':'base64','media_type':'application/pdf','data':'QUJD'}}]}]}",
		"citations:{'enabled':false} citations:null context:null title:null" },
	{ FORM_MESSAGES, BLOCK("~,'type':'text','text':'hi'"), "citations:null citations:[] cache_control:null" },
	{ FORM_MESSAGES, BLOCKS("~,'type':'tool_use','id':'a','name':'f','input':{}", "'type':'tool_result','tool_use_id':'a','content':'1'"), "caller:{'type':'direct'} cache_control:null" },
	{ FORM_MESSAGES, BLOCKS("'type':'tool_use','id':'a','name':'f','input':{}", "~,'type':'tool_result','tool_use_id':'a','content':'1'"), "is_error:false cache_control:null" },
	/* https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching */
	{ FORM_GENERATE, "{~," GEMINI "}",
		"generationConfig:{} generationConfig.candidateCount:1 generationConfig.responseMimeType:'text/plain' generationConfig.responseMimeType:'' generationConfig.presencePenalty:0 generationConfig.frequencyPenalty:0.0 "
		"generationConfig.responseLogprobs:false generationConfig.enableEnhancedCivicAnswers:false generationConfig.responseModalities:[] generationConfig.responseModalities:['TEXT'] "
		"generationConfig.mediaResolution:'MEDIA_RESOLUTION_UNSPECIFIED' generationConfig.thinkingConfig:{} generationConfig.thinkingConfig:{'includeThoughts':false} generationConfig.thinkingConfig:{'thinkingBudget':-1} "
		"generationConfig.thinkingConfig:{'thinkingLevel':'THINKING_LEVEL_UNSPECIFIED'} generationConfig.speechConfig:null generationConfig.audioTimestamp:false generationConfig.stopSequences:[] "
		"generationConfig.logprobs:0 generationConfig.imageConfig:{} safetySettings:[] cachedContent:'' tools:[] toolConfig:{} toolConfig:{'functionCallingConfig':{}} labels:{} store:false systemInstruction:null "
		"systemInstruction:{'parts':[]} serviceTier:'' serviceTier:'standard' serviceTier:'SERVICE_TIER_UNSPECIFIED'" },
	{ FORM_GENERATE, "{~,'tools':[{'functionDeclarations':[{'name':'f'}]}]," GEMINI "}",
		"toolConfig:{'functionCallingConfig':{'mode':'AUTO'}} toolConfig:{'functionCallingConfig':{'mode':'MODE_UNSPECIFIED','allowedFunctionNames':[]}} "
		"toolConfig:{'functionCallingConfig':{'streamFunctionCallArguments':false}} toolConfig:{'includeServerSideToolInvocations':false} toolConfig:{'retrievalConfig':{}}" },
	{ FORM_GENERATE, "{'tools':[{'functionDeclarations':[{~,'name':'f'}]}]," GEMINI "}", "behavior:'UNSPECIFIED' behavior:'BLOCKING' parameters:null response:null description:''" },
	{ FORM_GENERATE, PART("~,'text':'hi'"), "thought:false thoughtSignature:'' partMetadata:{} videoMetadata:null mediaResolution:{}" },
	{ FORM_GENERATE, PARTS("~,'functionCall':{'name':'f','args':{},'id':'a'}", "'functionResponse':{'name':'f','response':{'output':'1'},'id':'a'}"), "thought:false thoughtSignature:''" },
	{ FORM_GENERATE, PARTS("'functionCall':{~,'name':'f','args':{},'id':'a'}", "'functionResponse':{'name':'f','response':{'output':'1'},'id':'a'}"), "willContinue:false partialArgs:[]" },
	{ FORM_GENERATE, PARTS("'functionCall':{'name':'f','args':{},'id':'a'}", "'functionResponse':{~,'name':'f','response':{'output':'1'},'id':'a'}"),
		"willContinue:false scheduling:'SCHEDULING_UNSPECIFIED' scheduling:'WHEN_IDLE' parts:[]" },
	/* https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
	{ FORM_CONVERSE, "{~," CONVERSE "}",
		"inferenceConfig:{} inferenceConfig.stopSequences:[] system:[] toolConfig:null guardrailConfig:null guardrailConfig:{} additionalModelRequestFields:{} additionalModelResponseFieldPaths:[] promptVariables:{} "
		"requestMetadata:{} performanceConfig:{} performanceConfig:{'latency':'standard'} serviceTier:{'type':'default'} outputConfig:{} additionalModelRequestFields.thinking:{'type':'disabled'} "
		"additionalModelRequestFields.reasoningConfig:{'type':'disabled'} outputConfig.textFormat:null" },
	{ FORM_CONVERSE, "{'toolConfig':{~,'tools':[{'toolSpec':{'name':'f','inputSchema':{'json':{'type':'object'}}}}]}," CONVERSE "}", "toolChoice:{'auto':{}} toolChoice:null" },
	{ FORM_CONVERSE, "{'toolConfig':{'tools':[{'toolSpec':{~,'name':'f','inputSchema':{'json':{'type':'object'}}}}]}," CONVERSE "}", "strict:false strict:null description:null" },
	{ FORM_CONVERSE, "{'messages':[{'role':'user','content':[{'document':{~,'format':'pdf','name':'n','source':{'bytes':'QUJD'}}}]}]}",
		"citations:{'enabled':false} citations:null context:null context:''" },
	{ FORM_CONVERSE, CONVERSE_CALL("~,'toolUseId':'a','name':'f','input':{}", RESULT), "type:null" },
	{ FORM_CONVERSE, CONVERSE_CALL("'toolUseId':'a','name':'f','input':{}", "~," RESULT), "status:'success' status:null type:null" },
	/* https://platform.openai.com/docs/api-reference/embeddings/create */
	{ FORM_EMBEDDINGS, "{~,'input':'hi'}", "encoding_format:'float' dimensions:null user:null num_retries:0 timeout:600" },
	/* OpenRouter, LiteLLM, LangChain, Vercel's AI SDK, Mistral, Fireworks, SGLang, vLLM, Groq, DashScope, Z.ai */
	{ FORM_CHAT, "{~," CHAT_USER "}",
		"usage:{'include':true} usage:{'include':false} weight:1 models:[] plugins:[] transforms:[] route:null provider:{} provider:{'allow_fallbacks':true,'require_parameters':false,'order':null,'only':[],'ignore':[]} "
		"provider:{'data_collection':'allow','zdr':false} reasoning:{'exclude':false,'enabled':false} reasoning:{'effort':'none','max_tokens':null,'summary':'auto'} session_id:'s' trace:{'trace_id':'t'} "
		"debug:{'echo_upstream_body':false} image_config:{} stop_server_tools_when:[] deferred_tools:null moderation:null tools:[] reasoning_effort:'' response_format:null seed:null stop:null logit_bias:{} "
		"litellm_metadata:{'k':'v'} fallbacks:[] fallbacks:[{'m':['n']}] guardrails:[] metadata:{} cache:{'no-cache':true,'ttl':60} prompt_id:null mock_response:null model_list:null "
		"thinking:{'type':'disabled','budget_tokens':null} chat_template_kwargs:{'enable_thinking':false,'thinking':false} extra_body:{} extra_headers:{} extra_query:{} providerOptions:{} "
		"prompt_logprobs:false top_prompt_logprobs:0 safe_prompt:false prompt_mode:null document_image_limit:null context_length_exceeded_behavior:'error' raw_output:false speculation:null "
		"regex:null ebnf:null no_stop_trim:false separate_reasoning:true stream_reasoning:true return_hidden_states:false lora_path:null vllm_xargs:{} structured_outputs:null kv_transfer_params:{} "
		"mm_processor_kwargs:{} guided_json:null cache_salt:'x' reasoning_format:'parsed' compound_custom:{} search_settings:{} enable_code_interpreter:false translation_options:{} request_id:'r' user_id:'u'" },
	{ FORM_CHAT, "{'messages':[{'role':'user','content':'hi'},{~,'role':'assistant','content':'hi'},{'role':'user','content':'hi'}]}",
		"weight:1 partial:false images:[] reasoning_details:[] reasoning_details:[{'type':'reasoning.text','text':'t'}] thinking_blocks:[] thinking_blocks:[{'type':'thinking','thinking':'t','signature':'s'}] "
		"provider_specific_fields:{} provider_specific_fields:{'refusal':null} function_call:null model:'m' name:null audio:null cache_control:null tool_calls:null" },
	{ FORM_CHAT, CHAT_CALL("~,'id':'a','type':'function','function':{'name':'f','arguments':'{}'}", "'tool_call_id':'a','content':'1'"),
		"index:0 extra_content:{'google':{'thought_signature':'s'}} extra_content:{} provider_specific_fields:{'thought_signature':'s'} provider_specific_fields:null" },
	{ FORM_CHAT, "{'tools':[{~,'type':'function','function':{'name':'f'}}]," CHAT_USER "}", "defer_loading:false cache_control:null" },
	{ FORM_CHAT, "{'tools':[{'type':'function','function':{~,'name':'f'}}]," CHAT_USER "}", "defer_loading:false strict:null description:'' parameters:{} parameters:null" },
	{ FORM_CHAT, CHAT_PART("~,'type':'text','text':'hi'"), "index:0 annotations:[] cache_control:null prompt_cache_breakpoint:null id:'' citations:[]" },
	/* OpenAI's schema of 2026-11 */
	{ FORM_RESPONSES, "{~,'input':'hi'}",
		"generate:true stream_id:'s' background_options:{'completion_window':'soonest'} background_options:{} image:{'context_compression':'auto'} image:{} access_programs:{'cyber':'standard'} access_programs:{} "
		"moderation:null context_management:[{'type':'compaction','compact_threshold':100000}] reasoning:{'mode':'standard'} reasoning:{'context':'auto','summary':'auto','generate_summary':null} "
		"reasoning:{'generate_summary':'auto'} prompt_cache_options:{'mode':'implicit','ttl':'30m','prewarm':false} stream_options:{'include_obfuscation':true} top_k:null plugins:[] models:[] provider:{} "
		"provider:{'allow_fallbacks':true} image_config:{} modalities:['text'] frequency_penalty:0 presence_penalty:0.0 session_id:'s' trace:{} metadata:null include:null num_retries:2 drop_params:true timeout:600 "
		"litellm_metadata:{} extra_body:{}" },
	{ FORM_RESPONSES, "{'tools':[{~,'type':'function','name':'f'}],'input':'hi'}", "allowed_callers:['direct'] allowed_callers:[] allowed_callers:null output_schema:null output_schema:{'type':'string'} description:'' description:null" },
	{ FORM_RESPONSES, ITEM_CALL("~,'type':'function_call','call_id':'a','name':'f','arguments':'{}'", "'type':'function_call_output','call_id':'a','output':'1'"),
		"id:'fc_1' status:'completed' caller:{'type':'direct'} caller:null namespace:null" },
	{ FORM_RESPONSES, ITEM_CALL("'type':'function_call','call_id':'a','name':'f','arguments':'{}'", "~,'type':'function_call_output','call_id':'a','output':'1'"),
		"id:null status:'completed' caller:{'type':'direct'} name:null namespace:null" },
	{ FORM_RESPONSES, INPUT_PART("~,'type':'input_text','text':'hi'"), "prompt_cache_breakpoint:{'mode':'explicit','ttl':'30m'} prompt_cache_breakpoint:null" },
	/* Anthropic's schema of 2026-11, OpenRouter and LiteLLM in this form */
	{ FORM_MESSAGES, "{~,'max_tokens':9," CHAT_USER "}",
		"thread:null thread:false billing_policy:{'type':'billing_policy','bill_to':'self'} billing_policy:{'type':'billing_policy'} compaction:null diagnostics:{'previous_message_id':null} "
		"diagnostics:{'previous_message_id':'msg_1'} fallback_credit_token:null fallbacks:null fallbacks:'default' user_profile_id:'p' speed:null thinking:{'type':'disabled','display':null,'block_binding':{}} "
		"output_config:{'task_budget':null} safeguards:null plugins:[] models:[] provider:{'allow_fallbacks':true} session_id:'s' trace:{} user:'u' drop_params:true num_retries:2 timeout:600 "
		"litellm_metadata:{'k':'v'} extra_headers:{} stream_options:null" },
	{ FORM_MESSAGES, BLOCK("~,'type':'text','text':'hi'"), "index:0" },
	/* google-genai 3.6 */
	{ FORM_GENERATE, "{~," GEMINI "}",
		"model:'models/gemini-2.5-flash' model:'' generationConfig:{'routingConfig':{},'modelSelectionConfig':{},'speechConfig':{},'imageConfig':{},'responseFormat':{},'translationConfig':{},'audioTranscriptionConfig':{}} "
		"generationConfig.enableAffectiveDialog:false modelArmorConfig:{} continuationToken:'' tools:[{'functionDeclarations':[]}] generationConfig.responseSchema:null generationConfig.thinkingConfig.thinkingBudget:-1" },
	{ FORM_GENERATE, PART("'inlineData':{~,'mimeType':'image/png','data':'QUJD'}"), "displayName:'a.png' displayName:''" },
	{ FORM_GENERATE, PART("~,'text':'hi'"), "partMetadata:{'k':'v'} thought:null audioTranscription:null speechMetadata:{} documentMetadata:{}" },
	/* AWS's service model of 2026-11 */
	{ FORM_CONVERSE, "{~," CONVERSE "}", "projectIdentifier:'p' projectIdentifier:null toolConfig:{'tools':[]} toolConfig:{} inferenceConfig:{'maxTokens':null} outputConfig:{'textFormat':null,'effort':null}" },
};
/* clang-format on */

static void
default_needs_no_place(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (size_t at = 0; at < COUNT_OF(defaults); at++) {
		struct span rest = span_str(defaults[at].members);
		while (rest.n) {
			struct span value = span_next(&rest, ' '), name = span_next(&value, ':');
			unsigned tried = 0;
			refused += count_refusals(defaults[at].form, defaults[at].body, name, value, &tried);
			if (!tried)
				fail_msg("a row of %s is no request without %.*s", form_name(defaults[at].form), SPAN_ARG(name));
		}
	}
	assert_int_equal(refused, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member_has_a_row),
		cmocka_unit_test(page_states_what_becomes_of_each_member),
		cmocka_unit_test(empty_member_needs_no_place),
		cmocka_unit_test(default_needs_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
