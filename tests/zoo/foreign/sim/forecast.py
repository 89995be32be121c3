def next_amount(turn):
    return 3 * (turn + 1)
