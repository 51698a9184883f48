package mysqlstore

import (
	"testing"

	"github.com/dsengine/dsengine/engine/storetest"
)

func FuzzValuesInMariaDB(f *testing.F) {
	storetest.FuzzValues(f, func(t testing.TB) storetest.Instance { return privateServer(t).instance(t, StrategySkip) })
}
