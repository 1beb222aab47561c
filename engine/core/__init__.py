"""The rules: events, state, and what is to be done next. Pure: no clock, no network, no file, no
asyncio.
"""
