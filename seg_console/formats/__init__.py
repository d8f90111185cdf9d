"""How languages write numbers, where Django's own data is not what readers of a console expect (FORMAT_MODULE_PATH)."""
