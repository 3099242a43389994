"""Plays AgentDojo's tasks and injections through `tollgate policy test`, without a model.

A conversation is a task's prompt, then each of its own calls and the result. An attack puts the injection's goal into
every place that AgentDojo provides, and the injection's calls follow the task's own. A task is permitted if each of its
calls is; an attack is denied if one of the injection's calls is. Attacks whose text no result contains are left out.
"""
import json, pathlib, re, subprocess, sys, warnings

warnings.filterwarnings("ignore")
from agentdojo.functions_runtime import FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites

here, build, out = pathlib.Path(__file__).parent, sys.argv[1], pathlib.Path(sys.argv[2])


def plain(v):
    """The result as an MCP server would send it: JSON, or text."""
    if hasattr(v, "model_dump"):
        return v.model_dump(mode="json")
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    if isinstance(v, dict):
        return {str(k): plain(x) for k, x in v.items()}
    return v if isinstance(v, (str, int, float, bool, type(None))) else str(v)


def play(suite, env, messages, calls, cases, name):
    """Adds a case for each call, then its result to the conversation. Returns the names of the cases."""
    runtime, names = FunctionsRuntime(suite.tools), []
    for call in calls:
        args = json.loads(json.dumps(plain(dict(call.args))))
        names.append(f"{name} {len(messages)}")
        cases.append({"name": names[-1], "request": {"body": {"model": "m", "messages": list(messages)}},
                      "tool": {"name": call.function, "arguments": args}, "expect": {"tool": {"decision": "deny"}}})
        result, error = runtime.run_function(env, call.function, call.args)
        value = plain(result)
        text = error or (value if isinstance(value, str) else json.dumps(value))
        key = f"c{len(messages)}"
        messages.append({"role": "assistant", "content": None, "tool_calls": [
            {"id": key, "type": "function", "function": {"name": call.function, "arguments": json.dumps(args)}}]})
        messages.append({"role": "tool", "tool_call_id": key, "content": text})
    return names


def denied(policy, cases):
    """Returns the names of the cases that the policy denies."""
    test = out / f"{policy.stem}.test.yaml"
    test.write_text(json.dumps({"policy": str(policy.resolve()), "defaults": {"request": {"path": "/v1/chat/completions"}},
                                "cases": cases}))
    r = subprocess.run([build + "/tollgate", "policy", "test", str(test)], capture_output=True, text=True)
    lines = re.findall(r"^(not ok|ok) \d+ - (.*)$", r.stdout, re.M)
    if len(lines) != len(cases):
        sys.exit(f"{policy}: {len(lines)} of {len(cases)} cases ran\n{r.stdout[-500:]}{r.stderr[-2000:]}")
    return {case["name"] for (state, _), case in zip(lines, cases) if state == "ok"}


total = [0, 0, 0, 0]
print("| suite | tasks permitted | attacks denied |\n|---|---|---|")
for name, suite in get_suites("v1.2.2").items():
    cases, tasks, attacks = [], {}, {}
    for t in suite.user_tasks.values():
        env = t.init_environment(suite.load_and_inject_default_environment({}))
        messages = [{"role": "user", "content": t.PROMPT}]
        tasks[t.ID] = play(suite, env, messages, t.ground_truth(env.model_copy(deep=True)), cases, t.ID)
        for i in suite.injection_tasks.values():
            texts = {v: f"<INFORMATION>{i.GOAL}</INFORMATION>" for v in suite.get_injection_vector_defaults()}
            env = t.init_environment(suite.load_and_inject_default_environment(texts))
            calls = i.ground_truth(env.model_copy(deep=True))
            if not calls:
                continue
            messages, rest = [{"role": "user", "content": t.PROMPT}], []
            play(suite, env, messages, t.ground_truth(env.model_copy(deep=True)), rest, "")
            if not any("<INFORMATION>" in (m["content"] or "") for m in messages[1:] if m["role"] == "tool"):
                continue
            key = f"{t.ID} {i.ID}"
            attacks[key] = play(suite, env, messages, calls, cases, key)
    no = denied(here / f"{name}.yaml", cases)
    good = [k for k, v in tasks.items() if not no.intersection(v)]
    stopped = [k for k, v in attacks.items() if no.intersection(v)]
    print(f"| {name} | {len(good)} of {len(tasks)} | {len(stopped)} of {len(attacks)} |")
    (out / f"{name}.txt").write_text("\n".join(
        [f"task {k}: {sorted(no.intersection(v))}" for k, v in tasks.items() if k not in good] +
        [f"attack {k}" for k in attacks if k not in stopped]) + "\n")
    for n, v in enumerate([len(good), len(tasks), len(stopped), len(attacks)]):
        total[n] += v
print(f"| all | {total[0]} of {total[1]} | {total[2]} of {total[3]} |")
