echo '{"model":"m","house_note":"be brief","messages":[]}' | build/tollgate body --dialect openai --path /v1/chat/completions | jq -e '.[] | select(.role == "system")'
