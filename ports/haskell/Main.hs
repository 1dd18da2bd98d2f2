-- | microgpt: a small GPT, bit for bit as conformance/SPEC.md has it. Without arguments it answers the requests of that
-- page; as `microgpt run [seed|classic] < names.txt` it trains for people. "MicroGPT" is the algorithm, "Graph"
-- differentiates, "Functions" round correctly, "Protocol" answers.
module Main (main) where

import Control.Monad.Except (runExceptT)
import Control.Monad.ST (stToIO)
import qualified Data.ByteString.Builder as Builder
import qualified Data.ByteString.Char8 as Char8
import qualified Data.ByteString.Lazy.Char8 as Lazy
import qualified Data.Text as Text
import Data.Text.Encoding (decodeUtf8', encodeUtf8Builder)
import Functions (Math (Exact))
import GHC.IO (ioToST)
import MicroGPT (Preset, presets, run)
import Protocol (replies)
import System.Environment (getArgs)
import System.Exit (exitFailure)
import System.IO (hFlush, hSetBinaryMode, stderr, stdin, stdout)

main :: IO ()
main = do
  mapM_ (`hSetBinaryMode` True) [stdin, stdout]
  getArgs >>= \case
    [] -> Lazy.getContents >>= mapM_ put . replies . map Lazy.toStrict . Lazy.lines
    ["run"] -> mapM_ runForPeople (lookup "seed" presets)
    ["run", named] | Just preset <- lookup (Char8.pack named) presets -> runForPeople preset
    _ -> refuse "expected no arguments or: microgpt run [seed|classic] < names.txt"

put :: Builder.Builder -> IO ()
put text = Builder.hPutBuilder stdout text >> hFlush stdout

refuse :: Char8.ByteString -> IO a
refuse sentence = Char8.hPutStrLn stderr ("microgpt: " <> sentence) >> exitFailure

runForPeople :: Preset -> IO ()
runForPeople preset = do
  text <- decodeUtf8' <$> Char8.getContents >>= either (const (refuse "expected UTF-8 and got other bytes")) pure
  stToIO (runExceptT (run Exact preset (Text.split (== '\n') text) say)) >>= either refuse (const (pure ()))
  where
    say text = ioToST (put (encodeUtf8Builder text <> "\n"))
