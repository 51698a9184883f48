package plan_test

import (
	"os"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestMain(m *testing.M) { os.Exit(world.Main(m)) }
