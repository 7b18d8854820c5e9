"""Chat models, one a line: what each takes, lacks and costs. Data; `chat.py` reads it.

    stem  vendor  context  output  media  mark  lacks  price [price …]

`context` and `output` in tokens, `-` where it is not known. `media`: i(mage) a(udio) v(ideo) f(ile) as input. `lacks`: words of
`NEED`, or a group: `reasons` (a GPT that reasons takes only the default of each, and thinks in silence), `chat` (one that
does not), `messages` (what the Messages format has no word for), `sampling`, `silent` (thinks before it shows anything). A
price is input/cached/output[/write[/long write]] in dollars per million tokens, special before general: `>N:` for requests
with more input tokens than that, `..DAY:` before and `DAY..:` from a day on.

Sources: wire-formats.md A.4, B.9, C.2, E.6, G.1 to G.4; sizes of contexts of older models as their vendors publish them.
"""

TABLE = """
claude-fable-5         anthropic        -      - if   D messages,sampling,prefill 10/1/50/12.5/20
claude-fable-5-1       anthropic        -      - if   D messages,sampling,forced_tool,prefill 10/0.25/50/12.5/20
claude-fable-5-2       anthropic        -      - if   D messages,sampling,forced_tool,prefill 8/0.2/40/10/16
claude-haiku-4-5       anthropic   200000  64000 if   R messages             1/0.1/5/1.25/2
claude-haiku-5-5 anthropic - - if D messages,sampling,prefill >100000:0.5/0.05/2.5/0.625/1 0.1/0.01/0.5/0.125/0.2
claude-mythos-5-1      anthropic        -      - if   D messages,sampling,forced_tool,prefill 10/0.25/50/12.5/20
claude-mythos-5-2      anthropic        -      - if   D messages,sampling,forced_tool,prefill 8/0.2/40/10/16
claude-opus-4-5        anthropic        -      - if   D messages             5/0.5/25/6.25/10
claude-opus-4-6        anthropic        -      - if   D messages,prefill     5/0.5/25/6.25/10
claude-opus-4-7        anthropic        -      - if   D messages,sampling,prefill 5/0.5/25/6.25/10
claude-opus-4-8        anthropic        -      - if   D messages,sampling,prefill 5/0.5/25/6.25/10
claude-opus-5          anthropic        -      - if   D messages,sampling,prefill 5/0.5/25/6.25/10
claude-opus-5-5        anthropic        -      - if   D messages,sampling,forced_tool,prefill 4/0.2/20/5/8
claude-sonnet-4-5      anthropic        -      - if   D messages             3/0.3/15/3.75/6
claude-sonnet-4-6      anthropic        -      - if   D messages,prefill     3/0.3/15/3.75/6
claude-sonnet-5        anthropic        -      - if   D messages,sampling,prefill 2/0.2/10/2.5/4
claude-sonnet-5-5      anthropic        -      - if   D messages,sampling,forced_tool,prefill 2/0.1/10/2.5/4
gemini-2.5-flash       google     1048576  65536 iavf D prefill              0.3/0.03/2.5
gemini-2.5-flash-lite  google     1048576  65536 iavf D prefill              0.1/0.01/0.4
gemini-2.5-pro         google     1048576  65536 iavf D prefill,silent              >200000:2.5/0.25/15 1.25/0.125/10
gemini-3.1-flash-lite  google     1048576  65536 iavf D prefill              0.25/0.025/1.5
gemini-3.1-pro-preview google     1048576  65536 iavf D prefill,silent              >200000:4/0.4/18 2/0.2/12
gemini-3.5-flash       google     1048576  65536 iavf D prefill              1.5/0.15/9
gemini-3.5-flash-lite  google     1048576  65536 iavf D sampling,prefill     0.3/0.03/2.5
gemini-3.6-flash       google     1048576  65536 iavf D sampling,prefill     ..2027-01-01:0.75/0.075/3.75 1.5/0.15/7.5
gemini-3.7-flash       google     1048576  65536 iavf D sampling,prefill     ..2027-01-01:0.75/0.075/3.75 1.5/0.15/7.5
gemini-3.8-flash       google     1048576  65536 iavf D sampling,prefill     ..2027-01-01:0.75/0.075/3.75 1.5/0.15/7.5
gemini-4-argon         google           -      - iavf D prefill              ..2026-12-01:2/0.1/10 4/0.2/20
gpt-4.1                openai     1047576  32768 if   R chat                 2/0.5/8
gpt-4o                 openai      128000  16384 if   R chat                 2.5/1.25/10
gpt-4o-mini            openai      128000  16384 if   R chat                 0.15/0.075/0.6
gpt-5                  openai      272000 128000 if   R reasons              1.25/0.125/10
gpt-5-mini             openai      272000 128000 if   R reasons              0.25/0.025/2
gpt-5.1                openai      272000 128000 if   R reasons              1.25/0.125/10
gpt-5.2                openai      272000 128000 if   R reasons              1.75/0.175/14
gpt-5.4                openai           - 128000 if   D reasons              >272000:5/0.5/22.5 2.5/0.25/15
gpt-5.4-mini           openai           - 128000 if   D reasons              0.75/0.075/4.5
gpt-5.4-nano           openai           - 128000 if   D reasons              0.2/0.02/1.25
gpt-5.5                openai           - 128000 if   D reasons              >272000:10/1/45 5/0.5/30
gpt-5.5-pro            openai           - 128000 if   D reasons              30/-/180
gpt-5.6-luna           openai      922000 128000 if   D reasons              >272000:0.4/0.04/1.8/0.5 0.2/0.02/1.2/0.25
gpt-5.6-sol            openai      922000 128000 if   D reasons              >272000:8/0.8/30/10 4/0.4/20/5
gpt-5.6-terra          openai      922000 128000 if   D reasons              >272000:4/0.4/18/5 2/0.2/12/2.5
gpt-6-astra            openai      922000 128000 if   D reasons              >272000:20/2/75/25 10/1/50/12.5
gpt-6-luna             openai      922000 128000 if   D reasons              >272000:0.2/0.02/0.75/0.25 0.1/0.01/0.5/0.125
gpt-6-sol              openai      922000 128000 if   D reasons              >272000:4/0.4/15/5 2/0.2/10/2.5
gpt-6.1-sol            openai      922000 128000 if   D reasons              >272000:4/0.2/15/5 2/0.1/10/2.5
gpt-6.1-terra          openai      922000 128000 if   D reasons              >272000:2/0.1/7.5/2.5 1/0.05/5/1.25
gpt-6.2-astra          openai      922000 128000 if   D reasons              >272000:16/0.8/60 8/0.4/40
gpt-6.2-sol            openai      922000 128000 if   D reasons              >272000:4/-/15 2/-/10
doubao-seed-2-0-pro    volcengine       -      - iv   D top_k                >128000:1.4/-/7 >32000:0.7/-/3.5 0.46/-/2.3
doubao-seed-2-1-lite   volcengine       -      - iv   D top_k                0.115/0.023/0.388
doubao-seed-2-1-pro    volcengine       -      - iv   D top_k                0.8625/0.1725/4.3125
doubao-seed-2-1-turbo  volcengine       -      - iv   D top_k                0.431/0.086/2.156
"""
