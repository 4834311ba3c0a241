# With a copy of the library's repository in $(SPOOLBUF); `make -f vendored.mk BUILD=folder`.
SPOOLBUF = spoolbuf
LIBRARY = $(BUILD)/spoolbuf
FLAGS = -O2 -Wall -Wextra -Wpedantic -Werror -I$(SPOOLBUF)/include -I$(SPOOLBUF)/bindings/cpp
SHARED = -L$(LIBRARY) -lspoolbuf -Wl,-rpath,'$$ORIGIN/spoolbuf'
STATIC = $(LIBRARY)/libspoolbuf.a -lpthread -ldl -lm

all: $(BUILD)/demo-shared $(BUILD)/demo-static $(BUILD)/demo-cpp-shared $(BUILD)/demo-cpp-static

# cargo knows whether anything has changed, and files that have not are left alone.
$(LIBRARY)/libspoolbuf.a: FORCE
	sh $(SPOOLBUF)/packaging/libraries.sh $(LIBRARY)
FORCE:

$(BUILD)/demo-shared: ../demo.c $(LIBRARY)/libspoolbuf.a
	$(CC) -std=c99 $(FLAGS) $(CFLAGS) $< $(SHARED) -o $@

$(BUILD)/demo-static: ../demo.c $(LIBRARY)/libspoolbuf.a
	$(CC) -std=c99 $(FLAGS) $(CFLAGS) $< $(STATIC) -o $@

$(BUILD)/demo-cpp-shared: ../demo.cpp $(LIBRARY)/libspoolbuf.a
	$(CXX) -std=c++17 $(FLAGS) $(CXXFLAGS) $< $(SHARED) -o $@

$(BUILD)/demo-cpp-static: ../demo.cpp $(LIBRARY)/libspoolbuf.a
	$(CXX) -std=c++17 $(FLAGS) $(CXXFLAGS) $< $(STATIC) -o $@
