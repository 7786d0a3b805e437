"""The entry point of AWS Lambda: `edustream_api.aws_lambda.handler`.

Lambda imports it once for each container, and gives that the whole processor: this is when the release is loaded.
"""

import os

from edustream_api.lambda_function import lambda_function

handler = lambda_function(os.environ)
